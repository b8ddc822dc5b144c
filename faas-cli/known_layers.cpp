#include "faas-cli/known_layers.h"

#include <set>
#include <vector>

#include "faas-cli/answer_json.h"
#include "oci/image/archive_members.h"
#include "oci/image/image_plan.h"
#include "oci/image/quota.h"
#include "oci/sys/error.h"

namespace cli {
namespace {

using Members = std::vector<const image::ArchiveMember*>;

// Empty for an image that the daemon will refuse; it says so to everybody in the same words.
std::optional<image::ImagePlan> plan_of(const image::ArchiveIndex& index,
                                        const image::Selection& selection) {
  try {
    return image::plan_image(index.report, selection);
  } catch (const sys::Refused&) {
    return std::nullopt;
  }
}

// Enough to refuse the image by.
Members documents_of(const image::ArchiveIndex& index) {
  Members members;
  for (const image::ArchiveMember& member : index.members) {
    if (member.size <= image::Quota{}.document_bytes) members.push_back(&member);
  }
  return members;
}

}  // namespace

std::optional<std::string> leave_out_known_layers(const DaemonClient& client, Upload& upload,
                                                  const image::Selection& selection) {
  const image::ArchiveIndex* const index = upload.index();
  if (index == nullptr) return std::nullopt;
  const std::optional<image::ImagePlan> plan = plan_of(*index, selection);
  if (!plan) {
    upload.send_only(documents_of(*index));
    return std::nullopt;
  }
  Json question = {{"diff_ids", Json::array()}};
  for (const image::PlannedLayer& layer : plan->layers) {
    question["diff_ids"].push_back("sha256:" + layer.diff_hex);
  }
  const Answer answer = client.post("/v1/layers", question.dump());
  if (!answer.ok()) return std::nullopt;
  const Json known = require_object(answer, client.endpoint());
  std::set<std::string> missing;  // diff_ids
  for (const Json& diff_id : list_of(known, "missing")) {
    if (diff_id.is_string()) missing.insert(diff_id.get<std::string>());
  }

  std::set<std::string> wanted;  // members
  std::set<std::string> not_wanted;
  for (const image::PlannedLayer& layer : plan->layers) {
    const std::string member = image::follow_links(index->report, layer.path);
    (missing.contains("sha256:" + layer.diff_hex) ? wanted : not_wanted).insert(member);
  }
  Members members;
  for (const image::ArchiveMember& member : index->members) {
    const bool needed =
        wanted.contains(member.path) ||
        (!not_wanted.contains(member.path) && member.size <= image::Quota{}.document_bytes);
    if (needed) members.push_back(&member);
  }
  upload.send_only(members);
  return text_of(known, "request");
}

}  // namespace cli
