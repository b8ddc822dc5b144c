// Ctrl-C while an upload runs: the line of the progress bar is left, what became of the work is
// said, and the process exits with 130 as shells do. The daemon sees an upload without an end and
// throws it away. signal-safety(7).
#pragma once

namespace cli {

// From now on; a signal that the parent has set to be ignored (nohup) stays ignored.
void exit_on_interrupt();
// From now on an interrupt is only noted: a program that runs meanwhile gets it too, and ends
// first …
void note_interrupts();
// … and then, if there was one, the process exits as above.
void exit_if_interrupted();
// From now on, this line goes to stderr then; none at first. A string literal with its newline.
void say_on_interrupt(const char* line) noexcept;

}  // namespace cli
