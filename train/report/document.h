#pragma once
// A page of headings, paragraphs, tables and pictures, written as Markdown or as one HTML file that needs
// nothing beside it.
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace scca {

struct Heading {
  std::string text;
};
/// Text in which `code` and **bold** are marked as in Markdown.
struct Paragraph {
  std::string text;
};
/// The first column is a name, the others are figures; every row is as long as the header. Cells are marked
/// like paragraphs.
struct Table {
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
};
/// A PNG, its path relative to the page.
struct Picture {
  std::filesystem::path file;
  std::string caption;
};

struct Document {
  std::string title;
  std::vector<std::variant<Heading, Paragraph, Table, Picture>> blocks = {};
};

std::string to_markdown(const Table& table);
/// Pictures are linked by their path.
std::string to_markdown(const Document& document);
/// Pictures are read from `folder` and put into the page. Throws Error naming one that cannot be read.
std::string to_html(const Document& document, const std::filesystem::path& folder);

}  // namespace scca
