#include "oci/image/unpack_protocol.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using nlohmann::json;

constexpr auto kReplace = json::error_handler_t::replace;

bool is_code(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  return !text.empty() && text.size() <= kLongest &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// The reasons that an archive, or the disk, can give a child to stop.
constexpr struct {
  sys::Refusal reason;
  const char* name;
} kReasons[] = {
    {sys::Refusal::invalid, "invalid"},
    {sys::Refusal::too_large, "too_large"},
    {sys::Refusal::exhausted, "exhausted"},
    {sys::Refusal::failed, "failed"},
};

[[noreturn]] void throw_refusal(const json& refused) {
  const std::string reason = refused.at("reason").get<std::string>();
  const std::string code = refused.at("code").get<std::string>();
  std::string message = refused.at("message").get<std::string>().substr(0, kMessageBytes);
  std::replace_if(
      message.begin(), message.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
  for (const auto& known : kReasons) {
    if (reason == known.name && is_code(code)) throw sys::Refused(known.reason, code, message);
  }
  throw json::other_error::create(501, "unknown reason", &refused);
}

UnpackedLayer layer_from(const json& from) {
  UnpackedLayer layer;
  layer.path = from.at("path").get<std::string>();
  layer.directory = std::to_string(number_in(from, "directory"));
  layer.diff_hex = from.at("diff").get<std::string>();
  layer.compressed_hex = from.at("compressed").get<std::string>();
  layer.size = number_in(from, "size");
  if (!is_sha256_hex(layer.diff_hex) || !is_sha256_hex(layer.compressed_hex)) {
    throw json::other_error::create(501, "a digest is none", &from);
  }
  return layer;
}

UnpackReport report_from(const json& head, std::string_view bodies, const Quota& quota) {
  UnpackReport report;
  const json& layers = head.at("layers");
  const json& documents = head.at("documents");
  if (layers.size() > quota.layers || documents.size() > quota.archive_members) {
    throw json::other_error::create(501, "too many parts", &head);
  }
  for (const json& layer : layers) report.layers.push_back(layer_from(layer));
  report.links = head.at("links").get<std::map<std::string, std::string>>();
  for (const json& document : documents) {
    const std::uint64_t size = number_in(document, "size");
    if (size > bodies.size()) throw json::other_error::create(501, "short", &document);
    report.documents[document.at("path").get<std::string>()] = bodies.substr(0, size);
    bodies.remove_prefix(size);
  }
  if (!bodies.empty()) throw json::other_error::create(501, "long", &head);
  report.oversized = head.at("oversized").get<std::set<std::string>>();
  report.has_end_mark = head.at("has_end_mark").get<bool>();
  report.special_files = number_in(head, "special_files");
  report.attributes = number_in(head, "attributes");
  return report;
}

}  // namespace

std::string encode_report(const UnpackReport& report) {
  json head = {{"layers", json::array()},
               {"links", report.links},
               {"documents", json::array()},
               {"oversized", report.oversized},
               {"has_end_mark", report.has_end_mark},
               {"special_files", report.special_files},
               {"attributes", report.attributes}};
  for (const UnpackedLayer& layer : report.layers) {
    head["layers"].push_back({{"path", layer.path},
                              {"directory", std::stoul(layer.directory)},
                              {"diff", layer.diff_hex},
                              {"compressed", layer.compressed_hex},
                              {"size", layer.size}});
  }
  std::string bodies;
  for (const auto& [path, body] : report.documents) {
    head["documents"].push_back({{"path", path}, {"size", body.size()}});
    bodies += body;
  }
  return head.dump(-1, ' ', false, kReplace) + "\n" + bodies;
}

std::string encode_refusal(const sys::Refused& refusal) {
  const char* reason = "failed";
  for (const auto& known : kReasons) {
    if (refusal.reason() == known.reason) reason = known.name;
  }
  const json line = {{"refused",
                      {{"reason", reason},
                       {"code", refusal.code()},
                       {"message", std::string(refusal.what()).substr(0, kMessageBytes)}}}};
  return line.dump(-1, ' ', false, kReplace) + "\n";
}

UnpackReport decode_report(std::string_view bytes, const Quota& quota) {
  try {
    const std::size_t end = bytes.find('\n');
    const json head = json::parse(bytes.substr(0, end));
    if (head.contains("refused")) throw_refusal(head.at("refused"));
    return report_from(head, bytes.substr(std::min(bytes.size(), end + 1)), quota);
  } catch (const json::exception& error) {
    throw sys::Refused(
        sys::Refusal::failed, "unpack_failed",
        std::string("the unpacking process said what it should not: ") + printable(error.what()));
  }
}

}  // namespace image
