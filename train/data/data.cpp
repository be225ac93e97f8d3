#include "train/data/data.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/check.h"
#include "core/hash.h"
#include "core/joined.h"
#include "core/parallel.h"
#include "models/llama.h"
#include "train/data/documents.h"
#include "train/data/token_cache.h"
#include "train/report/messages.h"
#include "train/report/progress.h"

namespace scca {
namespace {

/// Tokenises batches of documents in parallel, in their order.
class Tokenizing {
 public:
  /// The tokens go to `writer` where there is one, else into a text.
  Tokenizing(const EncodeDocument& encode, int64_t total_bytes, TokenWriter* writer)
      : encode_(encode), writer_(writer) {
    // Below this the work is over before anyone wonders.
    if (total_bytes > kBatchBytes) progress_.emplace("tokenising", total_bytes);
  }

  void add(Document document) {
    waiting_bytes_ += bytes_of(document);
    waiting_.push_back(std::move(document));
    // Parts enough for all threads, and for the slow among them.
    if (waiting_bytes_ >=
        std::max<int64_t>(kBatchBytes, 2 * thread_count() * static_cast<int64_t>(kPartBytes)))
      encode_waiting();
  }

  TokenText finish() {
    encode_waiting();
    if (progress_) progress_->finish();
    return std::move(text_);
  }

 private:
  static constexpr int64_t kBatchBytes = int64_t{4} << 20;

  static int64_t bytes_of(const Document& document) {
    size_t bytes = document.text.size() + document.prompt.size() + document.completion.size();
    for (const ChatMessage& message : document.messages)
      bytes += message.content.size() + (message.thought ? message.thought->size() : 0);
    return static_cast<int64_t>(bytes);
  }

  void encode_waiting() {
    std::vector<EncodedDocument> encoded(waiting_.size());
    parallel_tasks(static_cast<int64_t>(waiting_.size()), [&](int64_t i) {
      encoded[static_cast<size_t>(i)] = encode_(waiting_[static_cast<size_t>(i)]);
    });
    for (const EncodedDocument& document : encoded) {
      tokens_ += std::ssize(document.ids);
      writer_ ? writer_->append(document) : text_.append(document);
    }
    done_bytes_ += waiting_bytes_;
    waiting_bytes_ = 0;
    waiting_.clear();
    if (progress_) progress_->update(done_bytes_, short_number(static_cast<double>(tokens_)) + " tokens");
  }

  const EncodeDocument& encode_;
  std::vector<Document> waiting_;
  TokenWriter* writer_;
  int64_t waiting_bytes_ = 0, done_bytes_ = 0, tokens_ = 0;
  TokenText text_;
  std::optional<Progress> progress_;
};

/// "700 texts, 30 chats", where they are not all texts.
class Kinds {
 public:
  void count(const Document& document) {
    if (document.begins) ++(document.is_chat() ? chats_ : document.is_completion() ? completions_ : texts_);
  }
  std::string text() const {
    if (chats_ + completions_ == 0) return "";
    std::vector<std::string> parts;
    if (texts_ > 0) parts.push_back(concat(texts_, " texts"));
    if (chats_ > 0) parts.push_back(concat(chats_, " chats"));
    if (completions_ > 0) parts.push_back(concat(completions_, " prompts with completions"));
    return joined(parts, ", ");
  }

 private:
  int64_t texts_ = 0, chats_ = 0, completions_ = 0;
};

/// By reading and encoding.
TokenText tokenized(const std::vector<std::filesystem::path>& files, int64_t bytes,
                    const EncodeDocument& encode, const ReadingOptions& options, TokenWriter* writer) {
  const auto note_of = [&](const Message& line) { note(message_of(options.what, ": ", line)); };
  Tokenizing tokenizing(encode, bytes, writer);
  DocumentForm form(options.keep_line_ends, options.text_field);
  form.cut = options.cut;
  form.part_bytes = options.part_bytes;
  Kinds kinds;
  for (const auto& file : files)
    for_each_document(
        file,
        [&](Document document) {
          kinds.count(document);
          tokenizing.add(std::move(document));
        },
        form);
  TokenText text = tokenizing.finish();
  if (const Message changes = form.text.changes(); !changes.text.empty()) note_of(changes);
  if (const std::string found = kinds.text(); !found.empty()) note_of(found);
  return text;
}

/// -1 where one is no regular file, such as a pipe.
int64_t bytes_of_files(const std::vector<std::filesystem::path>& files) {
  int64_t bytes = 0;
  for (const auto& file : files) {
    if (!std::filesystem::is_regular_file(file)) return -1;
    bytes += static_cast<int64_t>(std::filesystem::file_size(file));
  }
  return bytes;
}

}  // namespace

TokenText tokenize_data(const std::vector<std::string>& paths, const EncodeDocument& encode,
                        const ReadingOptions& options) {
  const auto note_of = [&](const Message& line) { note(message_of(options.what, ": ", line)); };
  const std::vector<std::filesystem::path> files = data_files(paths, options.text_field, note_of);
  const int64_t bytes = bytes_of_files(files);
  const bool kept = bytes >= options.least_kept && !options.encoding.empty();
  const TokenCache cache(kept ? token_cache_folder(options.token_cache) : std::filesystem::path(), note_of);
  std::string key;
  if (kept) {
    std::vector<std::filesystem::path> all = files;
    all.insert(all.end(), options.encoding_files.begin(), options.encoding_files.end());
    key = token_cache_key(all, concat(options.encoding, "\ntext_field ", options.text_field,
                                      "\nkeep_line_ends ", options.keep_line_ends));
    if (auto text = cache.find(key)) {
      note_of(concat(text->tokens(), " tokens from ", cache.file_of(key).string()));
      return std::move(*text);
    }
  }
  const auto make = [&](TokenWriter* writer) {
    TokenText text = tokenized(files, std::max<int64_t>(bytes, 0), encode, options, writer);
    SCCA_CHECK((writer ? writer->tokens() : text.tokens()) > 0, options.what, ": there is no text in ",
               paths.size() == 1 ? paths[0] : "these files");
    return text;
  };
  if (const auto writer = kept ? cache.writer(key) : nullptr) {
    try {
      make(writer.get());
      writer->commit();
      return cache.written(key);
    } catch (const TokenWriter::Failed& failed) {
      cache.say_not_kept(failed.why);
    }
  }
  return make(nullptr);
}

TokenRows::TokenRows(TokenText text, int64_t context, RowOptions options)
    : TokenRows(std::vector<std::pair<TokenText, double>>{}, context, std::move(options)) {
  add(std::move(text), 1);
}

TokenRows::TokenRows(std::vector<std::pair<TokenText, double>> texts, int64_t context, RowOptions options)
    : context_(context), options_(std::move(options)) {
  for (auto& [text, weight] : texts) add(std::move(text), weight);
  SCCA_CHECK(rows() < (int64_t{1} << 31), options_.what, ": ", rows(), " rows are more than 2^31");
}

void TokenRows::add(TokenText text, double weight) {
  const int64_t tokens = text.tokens(), offset = text_.tokens(), before = rows();
  SCCA_CHECK(tokens >= context_, options_.what, ": holds ", tokens, " tokens, but one row takes ", context_,
             " (", Setting("context"), "); give more text or a shorter ", Setting("context"));
  text_.append_text(std::move(text));
  for (int64_t begin = offset; begin + context_ <= offset + tokens; begin += context_)
    if (const RowBatch row = batch_at({&begin, 1}); row.predictions > 0)
      rows_.push_back({begin, row.predictions});
  SCCA_CHECK(rows() > before, options_.what, ": nothing is to be learned in its ", tokens,
             " tokens; there is no answer in a whole row");
  shares_.push_back({rows() - before, weight});
}

/// Takes what is not learned out of the targets of a row that begins at `begin`.
void TokenRows::leave_out_given(int64_t begin, int32_t* targets) const {
  const int64_t end = begin + context_;
  auto span = std::ranges::upper_bound(text_.given, begin, {}, &TokenText::Span::end);
  for (; span != text_.given.end() && span->begin < end; ++span)
    for (int64_t i = std::max(span->begin, begin + 1); i < std::min(span->end, end); ++i)
      targets[i - 1 - begin] = kNoTarget;
}

/// The rows that begin at these positions.
RowBatch TokenRows::batch_at(std::span<const int64_t> begins) const {
  const auto count = static_cast<int64_t>(begins.size());
  RowBatch batch{.ids = Tensor::empty({count, context_}, DType::i32), .targets = {}};
  if (options_.pack_documents) batch.documents.emplace();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = begins[static_cast<size_t>(i)];
    std::copy_n(text_.ids().begin() + begin, context_, batch.ids.data<int32_t>() + i * context_);
    if (!options_.pack_documents) continue;
    auto start = std::ranges::lower_bound(text_.starts, begin);
    for (; start != text_.starts.end() && *start < begin + context_; ++start)
      batch.documents->push_back(i * context_ + *start - begin);
  }
  batch.targets = next_tokens(batch.ids, batch.documents);
  int32_t* targets = batch.targets.data<int32_t>();
  for (int64_t i = 0; i < count; ++i) leave_out_given(begins[static_cast<size_t>(i)], targets + i * context_);
  batch.predictions = count * context_ - std::count(targets, targets + count * context_, kNoTarget);
  return batch;
}

RowBatch TokenRows::batch(std::span<const int64_t> rows) const {
  std::vector<int64_t> begins;
  for (const int64_t row : rows) begins.push_back(rows_[static_cast<size_t>(row)].begin);
  return batch_at(begins);
}

RowBatch TokenRows::in_order(int64_t first, int64_t count) const {
  SCCA_CHECK(first >= 0 && count >= 0 && first + count <= rows(), "rows ", first, " to ", first + count,
             " of ", rows());
  std::vector<int64_t> which(static_cast<size_t>(count));
  std::iota(which.begin(), which.end(), first);
  return batch(which);
}

int64_t TokenRows::predictions(std::span<const int64_t> rows) const {
  int64_t sum = 0;
  for (const int64_t row : rows) sum += rows_[static_cast<size_t>(row)].predictions;
  return sum;
}

uint64_t TokenRows::fingerprint() const {
  uint64_t hash = hash_bytes(text_.ids().data(), text_.ids().size_bytes(), static_cast<uint64_t>(context_));
  if (!text_.given.empty())
    hash = hash_bytes(text_.given.data(), text_.given.size() * sizeof(TokenText::Span), hash);
  if (options_.pack_documents)
    hash = hash_bytes(text_.starts.data(), text_.starts.size() * sizeof(int64_t), hash);
  if (shares_.size() > 1)
    for (const RowShare& share : shares_) hash = hash_bytes(&share.weight, sizeof share.weight, hash);
  return hash;
}

}  // namespace scca
