// The least that a Container needs to become a bundle; a test adds what it is about.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "oci/runtime/container.h"
#include "oci/runtime/seccomp_profile.h"

namespace fixture {

inline runtime::Container example_container() {
  runtime::Container container;
  container.id = "abc";
  container.seccomp =
      std::make_shared<const nlohmann::json>(runtime::to_oci_seccomp(runtime::handler_profile()));
  return container;
}

}  // namespace fixture
