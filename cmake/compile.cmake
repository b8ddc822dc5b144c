# How every target of the tree is compiled. `faasd_library` and `faasd_warnings` are the only two
# ways a target comes to its flags.

function(faasd_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(FAASD_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 sees overlapping copies in the inlined code of std::string (GCC bugs 105329, 105651).
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    # clang-tidy looks for these in the build that is released, and knows the exceptions.
    target_compile_options(${target} PRIVATE
                           $<$<COMPILE_LANGUAGE:CXX>:-Wno-inconsistent-missing-override>)
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()

# faasd_library(name SOURCES a.cpp … LINKS layer_below …)
function(faasd_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  faasd_warnings(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINKS})
endfunction()

# Where ccache is installed, a file that was compiled before costs nothing, also in another clone:
# paths are hashed relative to the sources. An explicit launcher wins.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  foreach(language C CXX)
    if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER
          ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
          ${CCACHE_PROGRAM})
    endif()
  endforeach()
endif()

# The daemon waits for the kernel, so -O3 would only make the build longer.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_RELEASE "-O2 -DNDEBUG")
endforeach()

if(FAASD_SANITIZE)
  # A report is a failure, not a line in a log.
  add_compile_options(-fsanitize=${FAASD_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FAASD_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # These look at ranges of values, and misjudge them in code that a sanitizer has instrumented.
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
else()
  add_compile_options(-D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fPIE)
  add_link_options(-pie -Wl,-z,relro,-z,now)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-D_FORTIFY_SOURCE=2)
  endif()
endif()

if(FAASD_FUZZ)
  # Coverage for every library; a fuzz target itself adds -fsanitize=fuzzer to its link.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
