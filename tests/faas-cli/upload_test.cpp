#include "faas-cli/upload.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "faas-cli/failure.h"
#include "tests/support/scratch.h"

using cli::Upload;

namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes) {
    char name[] = "/tmp/faas-upload-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    path_ = name;
    std::ofstream(path_) << bytes;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("a file is read to its end, its size known before") {
  const TemporaryFile file("hello");
  Upload upload = Upload::open(file.path(), "x");
  CHECK(upload.size() == 5);
  upload.await_first_bytes();
  std::string bytes;
  char buffer[3];
  while (const std::size_t count = upload.read(buffer, sizeof buffer)) {
    bytes.append(buffer, count);
  }
  CHECK(bytes == "hello");
}

TEST_CASE("an empty file is an error before anything is sent") {
  const TemporaryFile file("");
  Upload upload = Upload::open(file.path(), "x");
  CHECK_THROWS_AS(upload.await_first_bytes(), cli::Failure);
}

TEST_CASE("a directory and a missing file are usage errors that name them") {
  CHECK_THROWS_WITH_AS(
      Upload::open("/", "x"),
      "/ is a directory, and no OCI image layout: oci-layout and index.json are missing "
      "(`faas pack` makes an image from a directory)",
      cli::Failure);
  CHECK_THROWS_WITH_AS(Upload::open("/nonexistent", "x"), "/nonexistent: No such file or directory",
                       cli::Failure);
  const std::string long_name(300, 'n');
  const std::string message = long_name + ": File name too long";
  CHECK_THROWS_WITH_AS(Upload::open(long_name, "x"), message.c_str(), cli::Failure);
}

TEST_CASE("a directory that is no layout is told what it lacks, or what it is instead") {
  const support::Scratch scratch;
  const auto message = [&](const std::string& input) -> std::string {
    try {
      Upload::open(input, "x");
    } catch (const cli::Failure& failure) {
      CHECK(failure.exit_code() == cli::ExitCode::usage);
      return failure.what();
    }
    return "";
  };
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(scratch.path() / name) << bytes;
  };
  const std::string directory = scratch.path().string();
  const std::string skopeo = directory + " is in skopeo's dir: format; copy it to oci:DIR";
  write("index.json", "{}");
  CHECK(message(directory).starts_with(
      directory + " is a directory, and no OCI image layout: oci-layout is missing"));
  write("manifest.json", "{}");
  CHECK(message(directory).find("oci-layout is missing") != std::string::npos);
  write(std::string(64, 'a'), "a blob");
  CHECK(message(directory).starts_with(skopeo));
  std::filesystem::remove(scratch.path() / "manifest.json");
  write("version", "Directory Transport Version: 1.1\n");
  CHECK(message(directory).starts_with(skopeo));
  std::filesystem::remove(scratch.path() / "version");
  write("oci-layout", "{}");
  CHECK(message(directory).empty());
  const std::string file = directory + "/index.json";
  CHECK(message(file) ==
        file + " is a part of an OCI image layout; name the directory: -f " + directory);
  CHECK(message("").starts_with("--file is empty"));
}

TEST_CASE("what is no regular file has no size") {
  Upload upload = Upload::open("/dev/zero", "x");
  CHECK_FALSE(upload.size());
}
