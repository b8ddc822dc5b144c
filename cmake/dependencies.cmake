# Debian's packages, found on the machine; nothing is vendored and nothing is fetched.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)
# Debian builds cpp-httplib as a shared library: its flags decide the layout of its classes.
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
# Debian's own, which has the packages of Debian.
find_program(PYTHON_PROGRAM python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
execute_process(COMMAND ${PYTHON_PROGRAM} -c "import yaml" RESULT_VARIABLE no_yaml ERROR_QUIET)
if(no_yaml)
  message(FATAL_ERROR "${PYTHON_PROGRAM} has no yaml: apt-get install python3-yaml")
endif()
