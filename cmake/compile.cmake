# How every target of the tree is compiled. `faasd_library` and `faasd_warnings` are the only two
# ways a target comes to its flags.

function(faasd_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(FAASD_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
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

if(FAASD_SANITIZE)
  add_compile_options(-fsanitize=${FAASD_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FAASD_SANITIZE})
else()
  add_compile_options(-D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fPIE)
  add_link_options(-pie -Wl,-z,relro,-z,now)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-D_FORTIFY_SOURCE=2)
  endif()
endif()
