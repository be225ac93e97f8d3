#pragma once
// What a file is that should be text, known by its bytes. A model trained on a .gz learns nothing and says no
// word about it.
#include <string>
#include <string_view>

namespace scca {

/// Throws Error naming what the file is and the tool that makes text of it, when `beginning` (some kilobytes)
/// shows that it is no text: a compressed file, Parquet, UTF-16, a pointer of git LFS, ...
void refuse_binary(std::string_view beginning, const std::string& name);

/// Throws Error naming the first byte of a file's text that is not UTF-8, or a control character other than
/// tab, line ends, vertical tab and form feed; and what to do, as far as the bytes tell.
void check_text(std::string_view text, const std::string& name);

}  // namespace scca
