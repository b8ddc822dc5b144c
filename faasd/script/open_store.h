// The store that `--store` names: `sqlite`, or a redis:// URL. Throws sys::Refused(invalid,
// "bad_store") that says what would be right and never repeats a password, and what SqliteStore
// throws.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "faasd/script/script_store.h"

namespace script {

// Throws as open_store does, and opens nothing: for the check of options.
void check_store(const std::string& spec);

std::unique_ptr<ScriptStore> open_store(const std::string& spec,
                                        const std::filesystem::path& state_dir);

}  // namespace script
