// What the daemon and its unpacking process say to each other.
//
//   stdin of the child   the Quota as it lies in memory (parent and child are one binary), then the
//                        archive as it came in
//   stdout of the child  one line of JSON, then the documents named there, one after the other, of
//                        the sizes given there; or one line {"refused": {reason, code, message}}
//
// The child may have been taken over by what it read: the daemon believes nothing in a report but
// its form, which `decode_report` checks. One thing it cannot check: the child itself computes what
// a layer's digest is, so one that was taken over could store other files under a layer's name.
// Throws sys::Refused. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/quota.h"
#include "oci/sys/error.h"

namespace image {

// One member of the archive that was a layer.
struct UnpackedLayer {
  std::string path;            // in the archive, without `.` and empty components
  std::string directory;       // a number: the tree is <staging>/layers/<directory>
  std::string diff_hex;        // SHA-256 of its tar
  std::string compressed_hex;  // SHA-256 of the member itself
  std::uint64_t size = 0;      // bytes of the member
};

struct UnpackReport {
  std::vector<UnpackedLayer> layers;
  std::map<std::string, std::string> links;      // member → member that it stands for
  std::map<std::string, std::string> documents;  // member → its bytes: JSON, probably
  std::set<std::string> oversized;               // members that would be documents, but too large
  bool has_end_mark = false;                     // the archive was not cut off between members
  std::uint64_t special_files = 0;
  std::uint64_t attributes = 0;
};

std::string encode_report(const UnpackReport& report);
std::string encode_refusal(const sys::Refused& refusal);

// Throws the child's own Refused if that is what it sent, and Refused(failed) for anything that is
// no report.
UnpackReport decode_report(std::string_view bytes, const Quota& quota);

}  // namespace image
