#include "core/recorder.h"

#include <algorithm>

#include "core/check.h"

namespace scca {

namespace {
thread_local Recorder* current = nullptr;
}

std::string RecordedCall::kernel() const {
  const std::string_view text = call;
  return std::string(text.substr(0, text.find('(')));
}

Recorder::Recorder() {
  SCCA_CHECK(!current, "recorder: this thread has one already");
  current = this;
  ++living_;
}

Recorder::~Recorder() {
  current = nullptr;
  --living_;
}

Recorder* Recorder::of_this_thread() { return any() ? current : nullptr; }

double Recorder::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Recorder::begin(const char* call) {
  if (!open_.empty()) accesses_.clear();  // the bytes of what calls another kernel are that one's
  open_.push_back(calls_.size());
  calls_.push_back({.call = call, .where = where()});
  calls_.back().begin = now();
}

void Recorder::finish() {
  RecordedCall& call = calls_[open_.back()];
  call.end = now();
  for (const Access& access : accesses_)
    call.bytes += static_cast<double>(access.bytes) * (access.written ? 2 : 1);
  accesses_.clear();
  open_.pop_back();
  if (!open_.empty()) calls_[open_.back()].within += call.end - call.begin;
}

void note_access(const void* memory, size_t bytes, bool written) {
  if (!current || current->open_.empty()) return;
  for (Recorder::Access& access : current->accesses_) {
    if (access.memory != memory) continue;
    access.bytes = std::max(access.bytes, bytes);
    access.written |= written;
    return;
  }
  current->accesses_.push_back({memory, bytes, written});
}

}  // namespace scca
