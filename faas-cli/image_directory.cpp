#include "faas-cli/image_directory.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <system_error>

#include "faas-cli/failure.h"

namespace cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array kLayoutFiles = {"oci-layout", "index.json"};
constexpr std::size_t kDigestDigits = 64;

bool is_file(const fs::path& path) {
  std::error_code unreachable;
  return fs::is_regular_file(path, unreachable);
}

bool is_blob_name(const std::string& name) {
  return name.size() == kDigestDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What `skopeo copy … dir:DIR` writes: the blobs lie beside the manifest.
bool is_skopeo_directory(const fs::path& directory) {
  std::string first_line;
  std::getline(std::ifstream(directory / "version"), first_line);
  if (first_line.starts_with("Directory Transport Version:")) return true;
  if (!is_file(directory / "manifest.json")) return false;
  std::error_code unreadable;
  const fs::directory_iterator entries(directory, unreadable);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return is_blob_name(entry.path().filename().string()) && is_file(entry.path());
  });
}

}  // namespace

void refuse_directory(const fs::path& directory) {
  const std::string name = directory.string();
  if (is_skopeo_directory(directory)) {
    throw_usage(name + " is in skopeo's dir: format; copy it to oci:DIR or docker-archive:FILE, " +
                "as with `skopeo copy dir:" + name + " docker-archive:FILE`");
  }
  std::string missing;
  for (const char* file : kLayoutFiles) {
    if (is_file(directory / file)) continue;
    missing += missing.empty() ? file : std::string(" and ") + file;
  }
  const bool several = missing.find(' ') != std::string::npos;
  throw_usage(name + " is a directory, and no OCI image layout: " + missing +
              (several ? " are" : " is") +
              " missing (`faas pack` makes an image from a directory)");
}

void refuse_part_of_layout(const fs::path& file) {
  const fs::path directory = file.has_parent_path() ? file.parent_path() : ".";
  const auto lies_there = [&](const char* name) { return is_file(directory / name); };
  const auto is_called = [&](const char* name) { return file.filename() == name; };
  if (std::any_of(kLayoutFiles.begin(), kLayoutFiles.end(), is_called) &&
      std::all_of(kLayoutFiles.begin(), kLayoutFiles.end(), lies_there)) {
    throw_usage(file.string() + " is a part of an OCI image layout; name the directory: -f " +
                directory.string());
  }
}

}  // namespace cli
