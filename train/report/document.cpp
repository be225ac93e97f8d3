#include "train/report/document.h"

#include <cstdint>

#include "core/check.h"
#include "core/file.h"

namespace scca {
namespace {

// Narrow text, wide tables that scroll by themselves, and the reader's own light or dark.
constexpr const char* kStyle = R"(
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; border-bottom: 2px solid #888; }
figure { margin: 1.5rem 0; } img { max-width: 100%; background: #fff; border-radius: 4px; }
figcaption { font-size: .9rem; opacity: .8; } code { font-size: .92em; }
)";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// Every second piece between two marks stands inside <tag>; a mark without a partner stays.
std::string tagged(const std::string& text, const std::string& mark, const std::string& tag) {
  std::string result;
  size_t begin = 0;
  for (;;) {
    const size_t open = text.find(mark, begin);
    const size_t close = open == std::string::npos ? open : text.find(mark, open + mark.size());
    if (close == std::string::npos) return result + text.substr(begin);
    result += text.substr(begin, open - begin) + "<" + tag + ">" +
              text.substr(open + mark.size(), close - open - mark.size()) + "</" + tag + ">";
    begin = close + mark.size();
  }
}

std::string inline_html(const std::string& text) {
  return tagged(tagged(escaped(text), "`", "code"), "**", "b");
}

std::string base64(const std::string& bytes) {
  static const char* const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k)
      result += i + k <= bytes.size() ? letters[group >> (18 - 6 * k) & 63] : '=';
  }
  return result;
}

std::string html_row(const std::vector<std::string>& cells, const char* tag) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) row += concat("<", tag, ">", inline_html(cell), "</", tag, ">");
  return row + "</tr>\n";
}

struct HtmlBlock {
  const std::filesystem::path& folder;

  std::string operator()(const Heading& h) const { return "<h2>" + inline_html(h.text) + "</h2>\n"; }
  std::string operator()(const Paragraph& p) const { return "<p>" + inline_html(p.text) + "</p>\n"; }
  std::string operator()(const Table& table) const {
    std::string html = "<div class=\"table\"><table>\n" + html_row(table.header, "th");
    for (const auto& row : table.rows) html += html_row(row, "td");
    return html + "</table></div>\n";
  }
  std::string operator()(const Picture& p) const {
    return concat("<figure><img alt=\"", escaped(p.caption), "\" src=\"data:image/png;base64,",
                  base64(read_text_file(folder / p.file)), "\"><figcaption>", inline_html(p.caption),
                  "</figcaption></figure>\n");
  }
};

struct MarkdownBlock {
  std::string operator()(const Heading& h) const { return "## " + h.text + "\n"; }
  std::string operator()(const Paragraph& p) const { return p.text + "\n"; }
  std::string operator()(const Table& table) const { return to_markdown(table); }
  std::string operator()(const Picture& p) const {
    return concat("![", p.caption, "](", p.file.generic_string(), ")\n");
  }
};

}  // namespace

namespace {

/// A bar would end the cell.
std::string in_cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

}  // namespace

std::string to_markdown(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) text += " " + in_cell(cell) + " |";
    return text + "\n";
  };
  std::string text = line(table.header) + "|---|";
  for (size_t i = 1; i < table.header.size(); ++i) text += "---:|";
  text += "\n";
  for (const auto& row : table.rows) {
    SCCA_CHECK(row.size() == table.header.size(), "table: a row has ", row.size(), " cells, the header ",
               table.header.size());
    text += line(row);
  }
  return text;
}

std::string to_markdown(const Document& document) {
  std::string text = "# " + document.title + "\n";
  for (const auto& block : document.blocks) text += "\n" + std::visit(MarkdownBlock{}, block);
  return text;
}

std::string to_html(const Document& document, const std::filesystem::path& folder) {
  std::string html = concat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>",
      escaped(document.title), "</title>\n<style>", kStyle, "</style></head><body>\n<h1>",
      inline_html(document.title), "</h1>\n");
  for (const auto& block : document.blocks) html += std::visit(HtmlBlock{folder}, block);
  return html + "</body></html>\n";
}

}  // namespace scca
