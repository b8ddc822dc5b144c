#include "oci/image/entry_path.h"

#include <algorithm>

#include "oci/image/refusal.h"

namespace image {

std::vector<std::string> split_entry_path(std::string_view path, const Quota& quota) {
  if (path.size() > kPathBytes) {
    refuse("bad_name", "an entry's name is longer than " + std::to_string(kPathBytes) +
                           " bytes: '" + printable(path) + "'");
  }
  std::vector<std::string> components;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    begin = end + 1;
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      refuse("unsafe_path", "the entry '" + printable(path) + "' contains '..'");
    }
    if (component.size() > kNameBytes) {
      refuse("bad_name", "a component of '" + printable(path) + "' is longer than " +
                             std::to_string(kNameBytes) + " bytes");
    }
    components.emplace_back(component);
  }
  if (components.size() > quota.path_depth) {
    refuse_too_large("'" + printable(path) + "' lies too deep", quota.path_depth, "directories");
  }
  return components;
}

std::string normal_path(std::string_view path) {
  if (!path.starts_with('/')) return {};
  std::vector<std::string> components;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    begin = end + 1;
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      components.emplace_back(component);
    } else if (!components.empty()) {
      components.pop_back();
    }
  }
  return "/" + join_path(components);
}

std::string join_path(const std::vector<std::string>& components) {
  std::string path;
  for (const std::string& component : components) path = join_path(path, component);
  return path;
}

std::string join_path(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

}  // namespace image
