#include "faasd/script/conversation.h"

#include <sys/epoll.h>

#include "faasd/script/bounds.h"
#include "oci/sys/socket.h"

namespace script {

using instance::Outcome;

Conversation::Conversation(sys::EventLoop& loop, serve::Dispatcher& dispatcher,
                           std::shared_ptr<Run> run, std::string request, Share room,
                           bool ends_when_full)
    : loop_(loop),
      dispatcher_(dispatcher),
      run_(std::move(run)),
      request_(std::move(request)),
      request_room_(std::move(room)),
      ends_when_full_(ends_when_full) {}

void Conversation::begin(const std::string& function, const Terms& terms) {
  sys::SocketPair pair = sys::make_socket_pair();
  socket_ = std::move(pair.ours);
  sys::set_nonblocking(socket_.get(), true);
  // What finds room at once is there before the instance is.
  watch_ = loop_.watch(socket_.get(), EPOLLIN | EPOLLOUT,
                       [this](sys::EventLoop::Events events) { on_ready(events); });
  dispatcher_.call(function, {std::move(pair.theirs), shared_from_this(), terms.adapt});
}

void Conversation::on_ready(sys::EventLoop::Events events) {
  const auto self = shared_from_this();
  if ((events & EPOLLOUT) != 0) write_some();
  while (socket_ && read_some()) {
  }
}

void Conversation::write_some() {
  written_ += sys::write_now(socket_.get(), std::string_view(request_).substr(written_));
  if (written_ < request_.size()) return;
  drop_request();
  watch_.reset();
  watch_ = loop_.watch(socket_.get(), EPOLLIN,
                       [this](sys::EventLoop::Events events) { on_ready(events); });
}

bool Conversation::read_some() {
  char buffer[65536];
  const sys::ReadResult result = sys::read_now(socket_.get(), buffer, sizeof buffer);
  const std::size_t size = reply_.size() + result.bytes;
  if (size > bounds::kMaxReplyBytes) return cut_reply(Cut::too_much);
  if (!run_->take_room(size)) return cut_reply(Cut::no_memory);
  reply_.append(buffer, result.bytes);
  if (result.ended) close();
  return result.bytes > 0 && !result.ended;
}

bool Conversation::cut_reply(Cut why) {
  reply_ = {};
  reply_cut_ = why;
  stop(Outcome::ok, cut_text(why));
  return false;
}

void Conversation::drop_request() {
  request_ = {};
  request_room_.give_back();
}

// It has said all that it will. Whoever still waits for our end of the connection hears it.
void Conversation::close() {
  watch_.reset();
  socket_.reset();
  drop_request();
  if (ended_) return;
  rest_ = loop_.after(bounds::kRest,
                      [this] { stop(Outcome::ok, "it went on after its reply, and was ended"); });
}

void Conversation::stop(Outcome outcome, const std::string& reason) {
  if (ended_) return;
  const auto self = shared_from_this();
  watch_.reset();
  drop_request();
  socket_.reset();  // who still waits for a turn is thereby gone
  if (!instance_.empty()) dispatcher_.stop(instance_, outcome, reason);
}

void Conversation::attach() {
  ++listeners_;
  patience_.reset();
}

void Conversation::detach() {
  if (--listeners_ > 0 || ended_) return;
  patience_ = loop_.after(bounds::kWithoutClient, [self = weak_from_this()] {
    if (const auto conversation = self.lock()) {
      conversation->stop(Outcome::timeout, "its client left, and it was ended");
    }
  });
}

void Conversation::on_output(instance::Stream stream, std::string_view bytes) {
  run_->write(stream, bytes);
  if (!ends_when_full_ || !run_->is_full()) return;
  // Not from within what is being read.
  loop_.post([self = shared_from_this()] {
    self->stop(Outcome::ok, "it wrote more than is kept of its output, and was ended");
  });
}

void Conversation::on_end(instance::Receipt& receipt) {
  ended_ = true;
  rest_.reset();
  patience_.reset();
  // Its last words may wait there; nobody adds to them any more.
  while (socket_ && read_some()) {
  }
  close();
  receipt.traffic.in = written_;
  receipt.traffic.out = reply_.size();
  End end;
  end.reply = std::move(reply_);
  end.reply_cut = reply_cut_;
  end.receipt = receipt;
  run_->finish(std::move(end));
}

}  // namespace script
