// What comes back on a script's connection, and what its client sent, which both may be anything.
// The first byte says which:
//   r  a reply, of a run that was served      d  the same, of one that was not
//   p  what faas-execute says of a program    m  members of a JSON object      v  a version
//   selector
// Aborts if: what a client would be told is not JSON in one line, or has a status that no answer
// has; members that were taken apart are not JSON by themselves.
#include <nlohmann/json.hpp>

#include "faasd/script/json_members.h"
#include "faasd/script/program.h"
#include "faasd/script/semver.h"
#include "faasd/script/verdict.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using nlohmann::json;

script::End end_with(std::string_view reply, bool served) {
  script::End end;
  end.reply = reply;
  end.receipt.served = served;
  end.receipt.outcome = instance::Outcome::ok;
  return end;
}

void judge(std::string_view reply, bool served) {
  const script::Run run(1'000, std::make_shared<script::Budget>(1U << 20));
  const script::Verdict verdict = script::verdict_of(run, end_with(reply, served));
  fuzz::require(verdict.status >= 200 && verdict.status < 1'000, "an answer has a status");
  if (!served) return;
  fuzz::require(verdict.json.find_first_of("\r\n") == std::string::npos, "it is one line");
  const json said = json::parse(verdict.json, nullptr, false);
  fuzz::require(said.is_object(), "what a client is told is JSON");
  fuzz::require(said.contains(verdict.is_result() ? "data" : "error"), "and says what it is");
}

void end_program(std::string_view reply) {
  const script::Run run(1'000, std::make_shared<script::Budget>(1U << 20));
  const script::ProgramEnd program = script::end_of_program(run, end_with(reply, true));
  const bool said = program.refusal_status != 0 || program.stages.contains("run") ||
                    program.stages.contains("compile");
  fuzz::require(said, "a program ran, or it is said why not");
}

void take_apart(std::string_view text) {
  const std::optional<script::JsonMembers> members = script::JsonMembers::of(text);
  if (!members) return;
  const json whole = json::parse(text);
  fuzz::require(whole.size() == members->size(), "no member is lost");
  for (const auto& [key, value] : whole.items()) {
    fuzz::require(json::parse(members->raw(key)) == value, "a member is what it was");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0]) {
    case 'r':
      judge(text, true);
      break;
    case 'd':
      judge(text, false);
      break;
    case 'p':
      end_program(text);
      break;
    case 'm':
      take_apart(text);
      break;
    default:
      script::selects(text, "3.11.2");
      script::compare_versions(text, "3.11.2");
  }
  return 0;
}
