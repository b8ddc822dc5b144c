// How one input holds several layers: their tars with this line between them. Text, so that a
// mutation that makes a tar longer leaves the others alone. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace fuzz {

inline constexpr std::string_view kLayerSeparator = "\n--- next layer ---\n";
// What separates a base, what lies on it, and what hides some of both.
inline constexpr std::size_t kMostLayers = 3;

inline std::vector<std::string_view> split_layers(std::string_view input) {
  std::vector<std::string_view> layers;
  while (layers.size() + 1 < kMostLayers) {
    const std::size_t end = input.find(kLayerSeparator);
    if (end == std::string_view::npos) break;
    layers.push_back(input.substr(0, end));
    input.remove_prefix(end + kLayerSeparator.size());
  }
  layers.push_back(input);
  return layers;
}

}  // namespace fuzz
