#include "faasd/api/run_json.h"

#include <nlohmann/json.hpp>

#include "faasd/script/bounds.h"
#include "faasd/script/json_members.h"

namespace api {
namespace {

using script::JsonMembers;
using script::to_json_string;
using script::bounds::kErrorOutputBytes;

constexpr std::pair<const char*, const char*> kHeaders[] = {
    {"instance", "X-Faas-Instance"},   {"outcome", "X-Faas-Outcome"},
    {"start", "X-Faas-Start"},         {"queue_ms", "X-Faas-Queue-Ms"},
    {"launch_ms", "X-Faas-Launch-Ms"}, {"run_ms", "X-Faas-Run-Ms"},
    {"cpu_ms", "X-Faas-Cpu-Ms"},       {"memory_peak_bytes", "X-Faas-Memory-Peak-Bytes"}};

}  // namespace

std::string cut_reason(const script::End& end) {
  if (end.dropped_bytes == 0) return {};
  const bool own = end.output_cut != script::Cut::no_memory;
  return "the run wrote " + std::to_string(end.dropped_bytes) + " bytes more than " +
         (own ? "are kept of its output" : "there was memory for with all that run");
}

void add_receipt_headers(httplib::Response& response, const script::End& end) {
  const nlohmann::ordered_json receipt = instance::to_json(end.receipt);
  for (const auto& [member, header] : kHeaders) {
    const nlohmann::ordered_json& value = receipt.at(member);
    if (value.is_null()) continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!text.empty()) response.set_header(header, text);
  }
  if (end.dropped_bytes > 0) response.set_header("X-Faas-Output-Cut", cut_reason(end));
}

void hold_until_sent(httplib::Response& response, std::shared_ptr<script::Audience> audience) {
  // Called when the response is destroyed, which is once it has been sent.
  response.content_provider_resource_releaser_ = [held = std::move(audience)](bool) mutable {
    held.reset();
  };
}

std::string answer_json(const script::Verdict& verdict, const script::Run& run) {
  const std::string text = verdict.is_result() ? "" : run.text();
  const std::optional<JsonMembers> members =
      text.empty() ? std::nullopt : JsonMembers::of(verdict.json);
  // What a script says itself about its error may have anything in it.
  if (!members || members->has("output") || members->has("output_cut")) return verdict.json;
  std::string_view last = text;
  if (last.size() > kErrorOutputBytes) last.remove_prefix(last.size() - kErrorOutputBytes);
  while (last.size() < text.size() && !last.empty() && (last.front() & 0xC0) == 0x80) {
    last.remove_prefix(1);  // not within a character
  }
  std::string json = verdict.json.substr(0, verdict.json.rfind('}'));
  json += members->size() == 0 ? "" : ",";
  json += R"("output":)" + to_json_string(last);
  if (last.size() < text.size()) {
    const std::string left_out = std::to_string(text.size() - last.size());
    json += R"(,"output_cut":)" + to_json_string("there were " + left_out + " bytes before it");
  }
  return json + "}";
}

std::string log_event(const script::Line& line) {
  const char* stream = line.stream == instance::Stream::out ? "stdout" : "stderr";
  return R"({"event":"log","data":)" + to_json_string(line.text) + R"(,"type":"text","stream":")" +
         stream + "\"}";
}

std::string last_event(const script::Verdict& verdict, const script::End& end) {
  const std::optional<JsonMembers> members = JsonMembers::of(verdict.json);
  std::string text;
  if (verdict.is_result()) {
    text = R"({"event":"result","data":)" + std::string(members->raw("data")) + R"(,"type":)" +
           std::string(members->raw("type"));
  } else {
    text = R"({"event":"error","data":)" +
           (members ? std::string(members->raw("error")) : to_json_string("it failed")) +
           R"(,"type":"text","status":)" + std::to_string(verdict.status);
    for (const char* key : {"code", "line", "column", "traceback"}) {
      if (members && members->has(key)) {
        text += "," + to_json_string(key) + ":" + std::string(members->raw(key));
      }
    }
  }
  if (end.dropped_bytes > 0) text += R"(,"output_cut":)" + to_json_string(cut_reason(end));
  return text + R"(,"receipt":)" +
         instance::to_json(end.receipt)
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
         "}";
}

}  // namespace api
