// What need not be sent: layers that the daemon has, and members of a tarball that belong to other
// images than the chosen one. One thread.
#pragma once

#include <optional>
#include <string>

#include "faas-cli/daemon_client.h"
#include "faas-cli/upload.h"
#include "oci/image/image_selection.h"

namespace cli {

// Leaves them out of the upload and returns what the deploy has to say (`layer_request` of its
// query). Empty, and all is sent: a pipe, a compressed tarball, a daemon that does not know the
// question. Of an image that will be refused the documents are sent: the reason is in them.
std::optional<std::string> leave_out_known_layers(const DaemonClient& client, Upload& upload,
                                                  const image::Selection& selection);

}  // namespace cli
