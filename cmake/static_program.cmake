# A program that runs inside a container: static, because an image may hold nothing else, and
# without the flags of the daemon (a sanitizer cannot be linked statically).
# faasd_static_program(name SOURCES a.c …)
function(faasd_static_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(
    ${name}
    PROPERTIES COMPILE_OPTIONS "-Os;-fno-pie;-fstack-protector-strong;-ffunction-sections"
               LINK_OPTIONS "-static;-no-pie;-s;-Wl,--gc-sections;-Wl,--build-id=none"
               C_STANDARD 17
               C_STANDARD_REQUIRED ON
               C_EXTENSIONS OFF)
  faasd_warnings(${name})
endfunction()
