#include "oci/sys/error.h"

#include <cerrno>
#include <system_error>

namespace sys {

void throw_errno(const std::string& what) {
  throw_errno(errno, what);
}

void throw_errno(int error_number, const std::string& what) {
  throw std::system_error(error_number, std::generic_category(), what);
}

}  // namespace sys
