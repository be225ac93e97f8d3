#include "train/data/data.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/check.h"
#include "core/hash.h"
#include "core/parallel.h"
#include "core/random.h"
#include "train/data/documents.h"
#include "train/report/messages.h"
#include "train/report/progress.h"

namespace scca {
namespace {

/// Tokenises batches of documents in parallel, in their order.
class Tokenizing {
 public:
  Tokenizing(const Encode& encode, int32_t eos, int64_t total_bytes) : encode_(encode), eos_(eos) {
    // Below this the work is over before anyone wonders.
    if (total_bytes > kBatchBytes) progress_.emplace("tokenising", total_bytes);
  }

  void add(std::string text) {
    waiting_bytes_ += static_cast<int64_t>(text.size());
    waiting_.push_back(std::move(text));
    if (waiting_bytes_ >= kBatchBytes) encode_waiting();
  }

  std::vector<int32_t> finish() {
    encode_waiting();
    if (progress_) progress_->finish();
    return std::move(tokens_);
  }

 private:
  static constexpr int64_t kBatchBytes = int64_t{4} << 20;

  void encode_waiting() {
    std::vector<std::vector<int32_t>> encoded(waiting_.size());
    parallel_tasks(static_cast<int64_t>(waiting_.size()), [&](int64_t i) {
      encoded[static_cast<size_t>(i)] = encode_(waiting_[static_cast<size_t>(i)]);
    });
    for (const std::vector<int32_t>& ids : encoded) {
      tokens_.insert(tokens_.end(), ids.begin(), ids.end());
      tokens_.push_back(eos_);
    }
    done_bytes_ += waiting_bytes_;
    waiting_bytes_ = 0;
    waiting_.clear();
    if (progress_)
      progress_->update(done_bytes_, short_number(static_cast<double>(tokens_.size())) + " tokens");
  }

  const Encode& encode_;
  int32_t eos_;
  std::vector<std::string> waiting_;
  int64_t waiting_bytes_ = 0, done_bytes_ = 0;
  std::vector<int32_t> tokens_;
  std::optional<Progress> progress_;
};

}  // namespace

std::vector<int32_t> tokenize_data(const std::vector<std::string>& paths, const Encode& encode, int32_t eos,
                                   const Message& what, bool keep_line_ends) {
  SCCA_CHECK(eos >= 0, what,
             ": the tokenizer does not say which token ends a document; name its eos_token in a "
             "tokenizer_config.json beside it");
  const auto note_of = [&](const Message& line) { note(message_of(what, ": ", line)); };
  const std::vector<std::filesystem::path> files = data_files(paths, note_of);
  int64_t bytes = 0;
  for (const auto& file : files)
    if (std::filesystem::is_regular_file(file))
      bytes += static_cast<int64_t>(std::filesystem::file_size(file));
  Tokenizing tokenizing(encode, eos, bytes);
  TextForm form(keep_line_ends);
  for (const auto& file : files)
    for_each_document(
        file, [&](std::string text) { tokenizing.add(std::move(text)); }, form);
  std::vector<int32_t> tokens = tokenizing.finish();
  if (const Message changes = form.changes(); !changes.text.empty()) note_of(changes);
  SCCA_CHECK(!tokens.empty(), what, ": there is no text in ", paths.size() == 1 ? paths[0] : "these files");
  return tokens;
}

int64_t RowOrder::operator()(int64_t position) {
  const int64_t epoch = position / rows_;
  if (epoch != epoch_) {
    shuffled_.resize(static_cast<size_t>(rows_));
    std::iota(shuffled_.begin(), shuffled_.end(), 0);
    // Fisher and Yates. A key of its own: dropout draws from philox(seed, ...) too.
    const uint64_t key = seed_ ^ 0x73687566666c6521u;
    for (int64_t i = rows_ - 1; i > 0; --i) {
      const uint64_t bits = philox(key, static_cast<uint64_t>(i), static_cast<uint64_t>(epoch))[0];
      std::swap(shuffled_[static_cast<size_t>(i)],
                shuffled_[static_cast<size_t>((bits * static_cast<uint64_t>(i + 1)) >> 32)]);
    }
    epoch_ = epoch;
  }
  return shuffled_[static_cast<size_t>(position % rows_)];
}

TokenRows::TokenRows(std::vector<int32_t> tokens, int64_t context, const Message& what)
    : tokens_(std::move(tokens)), context_(context) {
  SCCA_CHECK(rows() >= 1, what, ": holds ", tokens_.size(), " tokens, but one row takes ", context, " (",
             Setting("context"), "); give more text or a shorter ", Setting("context"));
  SCCA_CHECK(rows() < (int64_t{1} << 31), what, ": ", rows(), " rows are more than 2^31");
}

Tensor TokenRows::batch(RowOrder& order, int64_t first, int64_t count) const {
  Tensor ids = Tensor::empty({count, context_}, DType::i32);
  for (int64_t i = 0; i < count; ++i)
    std::copy_n(tokens_.data() + order(first + i) * context_, context_, ids.data<int32_t>() + i * context_);
  return ids;
}

Tensor TokenRows::in_order(int64_t first, int64_t count) const {
  SCCA_CHECK(first >= 0 && count >= 0 && first + count <= rows(), "rows ", first, " to ", first + count,
             " of ", rows());
  Tensor ids = Tensor::empty({count, context_}, DType::i32);
  std::copy_n(tokens_.data() + first * context_, count * context_, ids.data<int32_t>());
  return ids;
}

uint64_t TokenRows::fingerprint() const {
  return hash_bytes(tokens_.data(), tokens_.size() * sizeof(int32_t), static_cast<uint64_t>(context_));
}

}  // namespace scca
