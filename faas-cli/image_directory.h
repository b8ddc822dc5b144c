// What is wrong with a directory that was named as an image, or with a file in one. Both throw
// Failure(usage). Source: image-spec, image-layout.md; containers/image, directory transport.
#pragma once

#include <filesystem>

namespace cli {

// For a directory that is no OCI image layout.
[[noreturn]] void refuse_directory(const std::filesystem::path& directory);
// Returns for all files but those that make a directory a layout: the directory is meant then.
void refuse_part_of_layout(const std::filesystem::path& file);

}  // namespace cli
