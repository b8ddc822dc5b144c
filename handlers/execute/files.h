// The files of a program, in the directory where it runs. mkdir(2), open(2). One thread.
#pragma once

#include <string>
#include <vector>

#include "handlers/execute/program.h"

namespace execute {

// Makes `directory`, which must not be there yet, puts the files into it, and goes there. Throws
// BadRequest no_space if they have no room there, and std::system_error.
void write_files(const std::vector<File>& files, const std::string& directory);

// A HOME that can be written to: programs keep caches there.
void choose_home();

}  // namespace execute
