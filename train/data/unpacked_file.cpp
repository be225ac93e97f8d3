#include "train/data/unpacked_file.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/file.h"

namespace scca {
namespace {

constexpr size_t kBlock = size_t{1} << 16;
constexpr size_t kFree = size_t{1} << 20;  // below it no ratio is asked for

constexpr std::string_view kGzip = "\x1f\x8b", kZstd = "\x28\xb5\x2f\xfd";

/// A file's bytes, with some read ahead.
class Ahead {
 public:
  explicit Ahead(const std::filesystem::path& path) : name(path.string()), file_(path), block_(kBlock) {
    while (end_ < kZstd.size() && more()) continue;
  }

  std::string_view bytes() const { return {block_.data() + begin_, end_ - begin_}; }
  void drop(size_t count) { begin_ += count; }
  /// More behind bytes(), which are few; false at the end.
  bool more() {
    std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    const size_t got = file_.read(block_.data() + end_, block_.size() - end_);
    end_ += got;
    taken += got;
    return got > 0;
  }
  /// At least `count` bytes, unless the file ends.
  bool has(size_t count) {
    while (bytes().size() < count && more()) continue;
    return bytes().size() >= count;
  }

  std::string name;
  size_t taken = 0;  // bytes of the file

 private:
  FileReader file_;
  std::vector<char> block_;
  size_t begin_ = 0, end_ = 0;
};

/// Part after part of packed data.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  virtual std::string_view magic() const = 0;
  virtual const char* kind() const = 0;
  virtual void begin() = 0;
  struct Step {
    size_t read, written;
    bool done;
  };
  /// Throws Error for damaged data.
  virtual Step step(std::string_view from, char* to, size_t most) = 0;
};

class Gzip : public Unpacker {
 public:
  ~Gzip() override { inflateEnd(&stream_); }
  std::string_view magic() const override { return kGzip; }
  const char* kind() const override { return "gzip"; }
  void begin() override {
    inflateEnd(&stream_);
    stream_ = {};
    SCCA_CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK, "gzip: no memory to unpack with");
  }
  Step step(std::string_view from, char* to, size_t most) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min(most, kBlock));
    const uInt room = stream_.avail_out;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    SCCA_CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR,
               stream_.msg ? stream_.msg : "damaged");
    return {from.size() - stream_.avail_in, room - stream_.avail_out, result == Z_STREAM_END};
  }

 private:
  z_stream stream_ = {};
};

class Zstd : public Unpacker {
 public:
  std::string_view magic() const override { return kZstd; }
  const char* kind() const override { return "zstd"; }
  void begin() override {
    if (!stream_) stream_.reset(ZSTD_createDStream());
    SCCA_CHECK(stream_ && !ZSTD_isError(ZSTD_initDStream(stream_.get())), "zstd: no memory to unpack with");
  }
  Step step(std::string_view from, char* to, size_t most) override {
    ZSTD_inBuffer in{from.data(), from.size(), 0};
    ZSTD_outBuffer out{to, most, 0};
    const size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
    SCCA_CHECK(!ZSTD_isError(result), ZSTD_getErrorName(result));
    return {in.pos, out.pos, result == 0};
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
};

std::unique_ptr<Unpacker> unpacker_of(std::string_view beginning) {
  if (beginning.starts_with(kGzip)) return std::make_unique<Gzip>();
  if (beginning.starts_with(kZstd)) return std::make_unique<Zstd>();
  return nullptr;
}

}  // namespace

class UnpackedFile::Source {
 public:
  explicit Source(const std::filesystem::path& path) : file_(path), unpacker_(unpacker_of(file_.bytes())) {
    if (unpacker_) unpacker_->begin();
  }

  size_t read(char* to, size_t most) {
    if (most == 0) return 0;
    return unpacker_ ? unpack(to, most) : plain(to, most);
  }

 private:
  size_t plain(char* to, size_t most) {
    if (file_.bytes().empty() && !file_.more()) return 0;
    const size_t count = std::min(most, file_.bytes().size());
    std::memcpy(to, file_.bytes().data(), count);
    file_.drop(count);
    return count;
  }

  size_t unpack(char* to, size_t most) {
    for (;;) {
      if (between_parts_ && !next_part()) return 0;
      const bool ended = file_.bytes().empty() && !file_.more();
      const Unpacker::Step step = step_of(to, most);
      file_.drop(step.read);
      given_ += step.written;
      between_parts_ = step.done;
      SCCA_CHECK(step.done || step.written > 0 || !ended, file_.name, ": is ", unpacker_->kind(),
                 " data that are cut short after ", file_.taken, " bytes; fetch the file again");
      SCCA_CHECK(given_ < kFree || given_ / kMostRatio < file_.taken, file_.name, ": is ", unpacker_->kind(),
                 " data that unpack to more than ", kMostRatio,
                 " times their size, which no text does; unpack it first if it is one");
      if (step.written > 0) return step.written;
    }
  }

  Unpacker::Step step_of(char* to, size_t most) {
    try {
      return unpacker_->step(file_.bytes(), to, most);
    } catch (const Error& error) {
      fail(file_.name, ": is damaged ", unpacker_->kind(), " data (", error.what(), " near byte ",
           file_.taken - file_.bytes().size(), "); fetch the file again");
    }
  }

  /// False at the file's end. Zeros behind the last part are padding, as gzip has it.
  bool next_part() {
    if (!file_.has(1)) return false;
    if (file_.has(unpacker_->magic().size()) && file_.bytes().starts_with(unpacker_->magic())) {
      unpacker_->begin();
      between_parts_ = false;
      return true;
    }
    while (file_.has(1)) {
      SCCA_CHECK(file_.bytes().find_first_not_of('\0') == std::string_view::npos, file_.name, ": is ",
                 unpacker_->kind(), " data with something else behind; unpack it first");
      file_.drop(file_.bytes().size());
    }
    return false;
  }

  Ahead file_;
  std::unique_ptr<Unpacker> unpacker_;  // null: not packed
  size_t given_ = 0;
  bool between_parts_ = false;
};

UnpackedFile::UnpackedFile(const std::filesystem::path& path) : source_(std::make_unique<Source>(path)) {}
UnpackedFile::~UnpackedFile() = default;
UnpackedFile::UnpackedFile(UnpackedFile&&) noexcept = default;

size_t UnpackedFile::read(char* to, size_t most) { return source_->read(to, most); }

}  // namespace scca
