// The directory handlers/ of this build or installation: the languages that it describes, and the
// images that handlers/make-image makes of them. Found from where this program is, so that nobody
// can put another one in its place. One thread. Throws Failure.
#pragma once

#include <filesystem>
#include <string>

#include "faas-cli/upload.h"

namespace cli {

class LanguageHandlers {
 public:
  LanguageHandlers();

  // What faasd is told of a language, its JSON. Throws Failure(usage), with those that are there,
  // if there is no such directory.
  std::string description(const std::string& language) const;
  // Made by Docker or without it, which takes up to minutes; each step is a line on stderr. Ends
  // the process at an interrupt, once what runs has cleaned up. The file has no name: it goes with
  // this process.
  Upload make_image(const std::string& language) const;

 private:
  std::string known_languages() const;

  std::filesystem::path program_;
  std::filesystem::path directory_;
};

}  // namespace cli
