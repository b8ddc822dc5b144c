#include "faasd/instance/leftover.h"

#include <charconv>
#include <chrono>
#include <csignal>
#include <exception>
#include <nlohmann/json.hpp>
#include <system_error>

#include "oci/runtime/bundle.h"
#include "oci/sys/file.h"

namespace instance {
namespace {

constexpr const char* kFunction = "org.faasd.function";
constexpr const char* kVersion = "org.faasd.version";
constexpr const char* kImage = "org.faasd.image";
// Ours have some 20 kB, and the environment of the image and the function.
constexpr std::size_t kMaxConfig = 16u << 20;

std::string mark(const nlohmann::json& annotations, std::string_view key) {
  const auto it = annotations.find(key);
  return it != annotations.end() && it->is_string() ? it->get<std::string>() : "";
}

std::chrono::system_clock::time_point written_at(const std::filesystem::path& file) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(file, error);
  if (error) return std::chrono::system_clock::now();
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(
      std::chrono::file_clock::to_sys(time));
}

}  // namespace

std::map<std::string, std::string> marks_of(const function::Function& function,
                                            const std::string& image) {
  return {
      {kFunction, function.name}, {kVersion, std::to_string(function.version)}, {kImage, image}};
}

std::optional<Receipt> receipt_of_leftover(const std::filesystem::path& bundle) try {
  if (runtime::Bundle::is_waiting(bundle)) return std::nullopt;
  const std::filesystem::path file = bundle / "config.json";
  const auto text = sys::read_file_if_exists(file, kMaxConfig);
  const nlohmann::json config = nlohmann::json::parse(text.value_or(""), nullptr, false);
  if (!config.is_object() || !config.contains("annotations")) return std::nullopt;
  const nlohmann::json& annotations = config["annotations"];
  Receipt receipt;
  receipt.function = mark(annotations, kFunction);
  function::check_name(receipt.function);
  receipt.instance = bundle.filename().string();
  receipt.image = mark(annotations, kImage);
  receipt.launcher = mark(annotations, kLauncherMark);
  const std::string version = mark(annotations, kVersion);
  std::from_chars(version.data(), version.data() + version.size(), receipt.version);
  receipt.started_at = written_at(file);
  receipt.outcome = Outcome::signal;
  receipt.signal = SIGKILL;
  receipt.reason = "faasd was killed or crashed; the next start ended what it had been running";
  return receipt;
} catch (const std::exception&) {
  return std::nullopt;  // it is none of ours, or was not finished
}

}  // namespace instance
