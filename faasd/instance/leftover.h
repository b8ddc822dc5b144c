// What the bundle of an instance says of it when nobody else can: its daemon was killed. An
// instance is marked at its launch with annotations in its config.json (runtime-spec config.md,
// "Annotations"), which only root can write. Any thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "faasd/function/function.h"
#include "faasd/instance/receipt.h"

namespace instance {

// By which the launcher is named.
inline constexpr std::string_view kLauncherMark = "org.faasd.launcher";

std::map<std::string, std::string> marks_of(const function::Function& function,
                                            const std::string& image);

// The receipt of the connection that the instance of this bundle had: a signal of ours ends it,
// and how far it had come is not known. Nothing if it has no such marks, or had no connection.
std::optional<Receipt> receipt_of_leftover(const std::filesystem::path& bundle);

}  // namespace instance
