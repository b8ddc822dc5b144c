// Drives what reads text that somebody else wrote. The first byte says which:
//   d  documents of an archive: manifest, index, config, as the unpacking process reports them,
//      until there is a plan for an image (sections, see below)
//   r  decode_report (oci/image/unpack_protocol.h): the report of a child that was taken over
//   c  an image config alone      i  image.json of the store      p  an entry's path
// Aborts if: a plan names a layer that the report does not have, or a digest that is none; a report
// that was decoded is not the same after encoding; a path that was taken apart holds what it must
// not. Bounds of a config are checked where they are promised (oci/image/quota.h).
//
// Sections: each begins with a line "=== NAME", "=== layer NAME" or "=== link NAME TARGET"; the
// lines up to the next one are its bytes. In these, "$0" stands for the digest (64 hex digits) of
// the next section, "$1" of the one after that, and so on, "#0" and "#1" for their sizes: no
// mutation could find a digest. In a NAME "$0" is the section's own.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "oci/image/digest.h"
#include "oci/image/entry_path.h"
#include "oci/image/image_config.h"
#include "oci/image/image_plan.h"
#include "oci/image/image_record.h"
#include "oci/image/unpack_protocol.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using image::UnpackReport;

// The one place that knows how a report becomes a plan. What is selected comes with the deploy, not
// with the archive; of several images one has to be.
image::ImagePlan plan_of(const UnpackReport& report) {
  image::Selection selection;
  if (report.documents.contains("choose-tag")) selection.tag = "app:1";
  return image::plan_image(report, selection);
}

struct Section {
  std::string head;
  std::string body;
};

std::vector<Section> split_sections(std::string_view text) {
  constexpr std::string_view kMark = "=== ";
  constexpr std::size_t kMost = 16;
  std::vector<Section> sections;
  while (!text.empty() && sections.size() < kMost) {
    if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
    const std::size_t line = std::min(text.find('\n'), text.size());
    const std::size_t body = std::min(line + 1, text.size());
    const std::size_t next = text.find("\n=== ", line);
    const std::size_t end = next == std::string_view::npos ? text.size() : next + 1;
    sections.push_back({std::string(text.substr(0, line)),
                        std::string(text.substr(body, end - std::min(body, end)))});
    text.remove_prefix(end);
  }
  return sections;
}

// What is known of the sections that text may refer to.
struct Named {
  std::string hex;
  std::size_t size = 0;
};

std::string with_references(const std::string& text, const std::vector<Named>& named) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char mark = text[i];
    const char digit = i + 1 < text.size() ? text[i + 1] : ' ';
    const auto at = static_cast<std::size_t>(digit - '0');
    if ((mark != '$' && mark != '#') || digit < '0' || digit > '9' || at >= named.size()) {
      out += mark;
      continue;
    }
    out += mark == '$' ? named[at].hex : std::to_string(named[at].size);
    ++i;
  }
  return out;
}

// "layer " off the front of the head, if it is there.
bool take_word(std::string& head, std::string_view word) {
  if (!head.starts_with(word)) return false;
  head.erase(0, word.size());
  return true;
}

// From the last to the first: what a section refers to is finished by then.
UnpackReport report_of(std::string_view text) {
  UnpackReport report;
  report.has_end_mark = true;
  std::vector<Section> sections = split_sections(text);
  std::vector<Named> later;
  std::reverse(sections.begin(), sections.end());
  for (Section& section : sections) {
    std::string body = with_references(section.body, later);
    later.insert(later.begin(), {image::sha256_hex(body), body.size()});
    std::string head = with_references(section.head, later);
    if (take_word(head, "layer ")) {
      image::UnpackedLayer layer;
      layer.path = head;
      layer.directory = std::to_string(report.layers.size());
      layer.diff_hex = later.front().hex;
      layer.compressed_hex = later.front().hex;
      layer.size = body.size();
      report.layers.push_back(std::move(layer));
    } else if (take_word(head, "link ")) {
      const std::size_t space = std::min(head.find(' '), head.size());
      report.links[head.substr(0, space)] = head.substr(std::min(space + 1, head.size()));
    } else {
      report.documents[head] = std::move(body);
    }
  }
  return report;
}

void require_bounded(const image::ImageConfig& config) {
  std::size_t command = 0;
  for (const std::string& word : config.command()) {
    command += word.size() + 1;
    fuzz::require(word.find('\0') == std::string::npos, "no word of the command has a NUL");
  }
  fuzz::require(command <= image::kCommandBytes, "the command is bounded");
  fuzz::require(config.env.size() <= image::kEnvEntries, "Env is bounded");
  for (const std::string& variable : config.env) {
    fuzz::require(variable.find('=') != std::string::npos && variable.front() != '=',
                  "Env has KEY=value only");
    fuzz::require(variable.find('\0') == std::string::npos, "no variable has a NUL");
  }
}

void plan_documents(const UnpackReport& report) {
  const image::ImagePlan plan = plan_of(report);
  const std::string_view hex = image::hex_of_digest(plan.digest);
  fuzz::require(hex == image::sha256_hex(plan.config_json), "the digest is that of the config");
  fuzz::require(plan.layers.size() <= image::Quota{}.layers, "layers are bounded");
  for (const image::PlannedLayer& layer : plan.layers) {
    const bool known = std::any_of(
        report.layers.begin(), report.layers.end(), [&](const image::UnpackedLayer& each) {
          return each.directory == layer.directory && each.diff_hex == layer.diff_hex;
        });
    // One without a directory is the store's to find, by its digest.
    fuzz::require(known || layer.directory.empty(), "a planned layer is one of the report");
    fuzz::require(image::is_sha256_hex(layer.diff_hex), "a planned layer has a digest");
  }
  require_bounded(plan.config);
}

void decode_child_report(std::string_view bytes) {
  const UnpackReport report = image::decode_report(bytes, image::Quota{});
  for (const image::UnpackedLayer& layer : report.layers) {
    fuzz::require(layer.directory.find_first_not_of("0123456789") == std::string::npos,
                  "a layer's directory is a number");
    fuzz::require(image::is_sha256_hex(layer.diff_hex), "a layer has a digest");
  }
  const std::string encoded = image::encode_report(report);
  fuzz::require(image::encode_report(image::decode_report(encoded, image::Quota{})) == encoded,
                "a report survives the way to the daemon");
  plan_documents(report);
}

void parse_image_config(std::string_view text) {
  const image::ParsedConfig parsed =
      image::parse_config(image::parse_document(text, "bad_config", "the image config"));
  require_bounded(parsed.config);
  for (const std::string& hex : parsed.diff_ids) {
    fuzz::require(image::is_sha256_hex(hex), "a diff_id is a digest");
  }
}

void decode_record(const std::string& text) {
  const image::ImageRecord record = image::decode_image_record(text, "/trees");
  for (const std::string& hex : record.layers) {
    fuzz::require(image::is_sha256_hex(hex), "a layer of image.json is a digest");
  }
  fuzz::require(record.image.rootfs.parent_path() == "/trees", "a tree lies among the trees");
  require_bounded(record.image.config);
}

void take_path_apart(std::string_view text) {
  const std::string normal = image::normal_path(text);
  fuzz::require(normal.empty() || image::normal_path(normal) == normal, "normal_path is final");
  const image::Quota quota;
  const std::vector<std::string> components = image::split_entry_path(text, quota);
  for (const std::string& component : components) {
    fuzz::require(!component.empty() && component != "." && component != ".." &&
                      component.find('/') == std::string::npos &&
                      component.size() <= image::kNameBytes,
                  "a component is a name");
  }
  fuzz::require(image::split_entry_path(image::join_path(components), quota) == components,
                "a path that is put together again is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(bytes + 1, size - 1);
  fuzz::outcome_of([&] {
    switch (bytes[0]) {
      case 'd':
        return plan_documents(report_of(text));
      case 'r':
        return decode_child_report(text);
      case 'c':
        return parse_image_config(text);
      case 'i':
        return decode_record(std::string(text));
      case 'p':
        return take_path_apart(text);
      default:
        return;
    }
  });
  return 0;
}
