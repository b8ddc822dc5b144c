#include "faasd/script/verdict.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "faasd/script/bounds.h"
#include "faasd/script/json_members.h"

namespace script {
namespace {

using instance::Outcome;
using instance::Stream;

constexpr std::size_t kMaxHeadBytes = 16'384;
constexpr std::array<std::string_view, 4> kTypes = {"string", "number", "json", "text"};

Verdict error(int status, std::string_view code, std::string_view message) {
  return {status,
          R"({"error":)" + to_json_string(message) + R"(,"code":)" + to_json_string(code) + "}",
          {}};
}

// Of one whose output or reply found no memory: not its own fault, and it may find some later.
Verdict without_memory() {
  Verdict verdict = error(503, "no_memory_for_replies", cut_text(Cut::no_memory));
  verdict.retry_after = std::to_string(bounds::kMemoryRetry.count());
  return verdict;
}

bool is_header(std::string_view line, std::string_view lower_case_name) {
  if (line.size() <= lower_case_name.size() || line[lower_case_name.size()] != ':') return false;
  return std::equal(lower_case_name.begin(), lower_case_name.end(), line.begin(),
                    [](char wanted, char c) {
                      return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
                    });
}

std::string_view value_of(std::string_view line) {
  line.remove_prefix(line.find(':') + 1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

// Line breaks are only between the parts of JSON, never in them.
std::string in_one_line(std::string_view json) {
  std::string text(json);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

bool is_result(const JsonMembers& members) {
  const std::optional<std::string> type = members.text("type");
  return members.size() == 2 && members.has("data") && type &&
         std::find(kTypes.begin(), kTypes.end(), *type) != kTypes.end();
}

bool is_error(const JsonMembers& members) {
  return members.text("error").has_value() && members.text("code").has_value();
}

// Of one that returned nothing: what it printed.
Verdict printed(const Run& run, const End& end) {
  if (end.output_cut == Cut::no_memory) return without_memory();
  std::string text = run.text_of(Stream::out);
  if (text.ends_with('\n')) text.pop_back();
  return {200, R"({"data":)" + to_json_string(text) + R"(,"type":"text"})", {}};
}

// Of one that ended without a reply that means anything.
Verdict without_reply(const End& end) {
  if (end.reply_cut == Cut::no_memory) return without_memory();
  if (end.reply_cut != Cut::none) {
    return error(500, "result_too_large", cut_text(end.reply_cut));
  }
  const instance::Receipt& receipt = end.receipt;
  // Of a script that is not the first process of its container, the first one tells as an exit.
  const bool failed = receipt.outcome != Outcome::ok && receipt.outcome != Outcome::timeout;
  if (failed && receipt.usage.oom_kills > 0) {
    return error(500, "out_of_memory",
                 "the script needed more memory than it may have, and was ended");
  }
  switch (receipt.outcome) {
    case Outcome::timeout:
      return error(504, "timeout", receipt.reason);
    case Outcome::signal:
      return error(500, "script_failed", "the script was " + receipt.reason);
    case Outcome::exit:
      if (!end.reply.empty()) break;
      return error(500, "script_failed",
                   "the script exited with " + std::to_string(receipt.exit_code));
    default:
      break;
  }
  return error(502, "bad_reply",
               "what came back on the script's connection is no reply of its wrapper: has the "
               "script written to it, or does its result nest deeper than " +
                   std::to_string(bounds::kMaxJsonDepth) + "?");
}

// Of one that no instance has had: the daemon's own answer.
Verdict not_served(const End& end) {
  const std::optional<Reply> reply = parse_reply(end.reply);
  if (!reply) return error(502, "launch_failed", "the script could not be started");
  return {reply->status, in_one_line(reply->body), reply->retry_after};
}

}  // namespace

std::optional<Reply> parse_reply(std::string_view bytes) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  const std::size_t head_end = bytes.substr(0, kMaxHeadBytes).find("\r\n\r\n");
  if (!bytes.starts_with(kStart) || head_end == bytes.npos) return std::nullopt;
  Reply reply;
  reply.body = bytes.substr(head_end + 4);
  const char* status = bytes.data() + kStart.size();
  const auto [rest, problem] = std::from_chars(status, status + 3, reply.status);
  if (problem != std::errc() || rest != status + 3 || *rest != ' ' || reply.status < 200) {
    return std::nullopt;
  }
  std::string_view lines = bytes.substr(0, head_end + 2);
  bool has_length = false;
  for (std::size_t end = lines.find("\r\n"); end != lines.npos; end = lines.find("\r\n")) {
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    if (is_header(line, "transfer-encoding")) return std::nullopt;
    if (is_header(line, "retry-after")) reply.retry_after = value_of(line);
    if (!is_header(line, "content-length")) continue;
    if (value_of(line) != std::to_string(reply.body.size())) return std::nullopt;
    has_length = true;
  }
  if (!has_length) return std::nullopt;
  return reply;
}

namespace {

// With the members of what is a result: views of the reply. They are taken apart once, for a reply
// of 4 MiB costs some of a second.
Verdict judge(const End& end, std::optional<JsonMembers>& members) {
  if (!end.receipt.served) return not_served(end);
  const std::optional<Reply> reply = parse_reply(end.reply);
  if (reply) members = JsonMembers::of(reply->body);
  if (!members) return without_reply(end);
  if (reply->status == 200) return {200, in_one_line(reply->body), {}};
  if ((reply->status == 400 || reply->status == 500) && is_error(*members)) {
    return {reply->status, in_one_line(reply->body), {}};
  }
  return without_reply(end);
}

}  // namespace

Verdict plain_verdict_of(const End& end) {
  std::optional<JsonMembers> members;
  return judge(end, members);
}

Verdict verdict_of(const Run& run, const End& end) {
  // One that ends itself on the spot, with nothing wrong, has returned nothing.
  if (end.receipt.served && end.receipt.outcome == Outcome::ok && end.reply.empty() &&
      end.reply_cut == Cut::none) {
    return printed(run, end);
  }
  std::optional<JsonMembers> members;
  Verdict verdict = judge(end, members);
  if (!verdict.is_result() || !members) return verdict;
  if (members->size() == 0) return printed(run, end);
  return is_result(*members) ? verdict : without_reply(end);
}

}  // namespace script
