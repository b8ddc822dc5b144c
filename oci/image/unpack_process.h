// The daemon's end of one unpacking process: started confined (unpack_main), fed through a pipe,
// heard at the end. The archive passes through as it comes; nothing of it is kept or looked at
// here. A watchdog kills a child that takes nothing, or does not end, within kUnpackPatience, and
// with it every wait in this class ends; a requested stop does so at once. Destroyed: the child is
// killed and reaped. Throws sys::Refused with the child's own reason. One thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "oci/image/quota.h"
#include "oci/image/unpack_protocol.h"
#include "oci/sys/subprocess.h"
#include "oci/sys/unique_fd.h"

namespace image {

class UnpackProcess {
 public:
  // `program` is run as `program unpack-image <staging_dir>`. The layers come to
  // <staging_dir>/layers.
  UnpackProcess(const std::filesystem::path& program, const std::filesystem::path& staging_dir,
                const Quota& quota, std::chrono::milliseconds patience,
                const std::stop_token& stop);
  ~UnpackProcess();
  UnpackProcess(const UnpackProcess&) = delete;
  UnpackProcess& operator=(const UnpackProcess&) = delete;

  void write(std::string_view bytes);  // may keep some of it until the next call
  // The end of the archive. Nothing runs any more when this has returned or thrown.
  UnpackReport finish();

 private:
  void spawn(const std::filesystem::path& program, const std::filesystem::path& staging_dir);
  std::string reap();
  void watch();
  void flush();
  void postpone(int factor = 1);
  void stop_watching();

  const Quota quota_;
  const std::chrono::milliseconds patience_;
  sys::UniqueFd archive_;
  std::string unsent_;  // small pieces cost more calls than bytes
  sys::UniqueFd report_;
  std::optional<sys::Subprocess> child_;
  sys::UniqueFd watched_;  // the watchdog's own pidfd: the child may be reaped meanwhile

  std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  std::chrono::steady_clock::time_point deadline_;
  bool stopping_ = false;
  bool killed_ = false;
  std::thread watchdog_;
  const std::stop_token stop_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace image
