// Ctrl-C while an upload runs: the line of the progress bar is left, and the process exits with 130
// as shells do. The daemon sees an upload without an end and throws it away. signal-safety(7).
#pragma once

namespace cli {

// From now on; a signal that the parent has set to be ignored (nohup) stays ignored.
void exit_on_interrupt();

}  // namespace cli
