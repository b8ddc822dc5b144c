// A directory that a doctor's check takes for the root of another host; removed with the object.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "faas-cli/doctor/check.h"

class HostTree {
 public:
  HostTree() {
    char name[] = "/tmp/faas-host-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    host_.root = name;
  }
  HostTree(const HostTree&) = delete;
  HostTree& operator=(const HostTree&) = delete;
  ~HostTree() {
    std::error_code ignored;
    std::filesystem::remove_all(host_.root, ignored);
  }

  HostTree& with(const std::string& path, const std::string& text) {
    const std::filesystem::path file = host_.root / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return *this;
  }

  const cli::doctor::Host& host() const { return host_; }

 private:
  cli::doctor::Host host_;
};
