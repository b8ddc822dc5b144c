# Debian's packages, found on the machine; nothing is vendored and nothing is fetched.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)
# Debian builds cpp-httplib as a shared library: its flags decide the layout of its classes.
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
