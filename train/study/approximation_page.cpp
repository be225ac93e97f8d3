// The page of an approximation: tables, pictures, and every figure as CSV.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "train/report/csv.h"
#include "train/report/document.h"
#include "train/report/heatmap.h"
#include "train/report/plot.h"
#include "train/report/table.h"
#include "train/study/approximation.h"
#include "train/study/order.h"

namespace scca {
namespace {

namespace fs = std::filesystem;
using Results = std::vector<ApproximationResult>;

const fs::path kFolder = "pictures";
constexpr size_t kMostWithErrorBars = 7;  // lines of a chart: more hide one another

const ApproximationResult& find(const Results& results, const std::string& pattern, int64_t length,
                                int64_t part = 0) {
  return *std::ranges::find_if(results, [&](const ApproximationResult& r) {
    return r.cell->pattern == pattern && r.cell->length == length && r.cell->part == part;
  });
}

/// The patterns that have cells by depth.
std::vector<std::string> by_depth(const Results& results) {
  std::vector<std::string> names;
  for (const ApproximationResult& r : results)
    if (r.cell->part == 1) names.push_back(r.cell->pattern);
  return names;
}

/// Of the layers of a part: "layers 0 to 1".
std::string part_name(const Results& results, const std::string& pattern, int64_t length, int64_t part) {
  if (part == 0) return "all layers";
  const ApproximationCell& cell = *find(results, pattern, length, part).cell;
  return cell.end - cell.first == 1 ? concat("layer ", cell.first)
                                    : concat("layers ", cell.first, " to ", cell.end - 1);
}

Table length_table(const Approximation& a, const Results& results) {
  Table table{.header = {"pattern"}};
  for (const int64_t length : a.settings.lengths)
    table.header.insert(table.header.end(),
                        {concat("loss at ", length), "perplexity", "nats − " + a.reference});
  std::vector<std::string> names{a.reference};
  names.insert(names.end(), a.settings.patterns.begin(), a.settings.patterns.end());
  for (const std::string& name : names) {
    std::vector<std::string> cells{name};
    for (const int64_t length : a.settings.lengths) {
      const ApproximationResult& r = find(results, name, length);
      cells.insert(cells.end(), {fixed(r.evaluation.nll, 4), fixed(r.evaluation.perplexity, 2),
                                 name == a.reference ? "-" : text_of(r.above)});
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table position_table(const Approximation& a, const Results& results) {
  const int64_t longest = a.settings.lengths.back();
  Table table{.header = {"pattern"}};
  for (const PositionBucket& b : find(results, a.reference, longest).evaluation.by_position)
    table.header.push_back(concat(b.from, " to ", std::min(b.to, longest) - 1));
  for (const std::string& name : a.settings.patterns) {
    std::vector<std::string> cells{name};
    for (const PairedDifference& d : find(results, name, longest).by_position) cells.push_back(text_of(d));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table depth_table(const Approximation& a, const Results& results, const std::vector<std::string>& names) {
  const int64_t longest = a.settings.lengths.back();
  Table table{.header = {"pattern"}};
  for (int64_t part = 0; part <= a.settings.parts; ++part)
    table.header.push_back(part_name(results, names[0], longest, part));
  for (const std::string& name : names) {
    std::vector<std::string> cells{name};
    for (int64_t part = 0; part <= a.settings.parts; ++part)
      cells.push_back(text_of(find(results, name, longest, part).above));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Series line_of(const Approximation& a, const std::string& name) {
  return {.name = name, .look = looks_of(a.settings.patterns).at(name)};
}

void add_point(const Approximation& a, Series& series, double x, const PairedDifference& d) {
  series.x.push_back(x);
  series.y.push_back(d.mean);
  if (a.settings.patterns.size() <= kMostWithErrorBars) series.y_error.push_back(d.standard_error);
}

Chart length_chart(const Approximation& a, const Results& results) {
  Chart chart{.title = "Loss above " + a.reference + ", nothing trained",
              .x_label = "tokens of a window",
              .y_label = "nats a token",
              .log_x = true};
  for (const std::string& name : a.settings.patterns) {
    Series series = line_of(a, name);
    for (const int64_t length : a.settings.lengths)
      add_point(a, series, static_cast<double>(length), find(results, name, length).above);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart position_chart(const Approximation& a, const Results& results) {
  const int64_t longest = a.settings.lengths.back();
  Chart chart{.title = concat("Loss above ", a.reference, " by position, windows of ", longest),
              .x_label = "position in the window",
              .y_label = "nats a token",
              .log_x = true};
  for (const std::string& name : a.settings.patterns) {
    Series series = line_of(a, name);
    const ApproximationResult& r = find(results, name, longest);
    for (size_t i = 0; i < r.by_position.size(); ++i) {
      const PositionBucket& b = r.evaluation.by_position[i];
      const double from = static_cast<double>(std::max<int64_t>(1, b.from));
      add_point(a, series, std::sqrt(from * static_cast<double>(std::min(b.to, longest))), r.by_position[i]);
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Heatmap depth_map(const Approximation& a, const Results& results, const std::vector<std::string>& names) {
  const int64_t longest = a.settings.lengths.back();
  Heatmap map{
      .title = concat("Loss above ", a.reference, " by the layers that have the pattern, at ", longest),
      .row_label = "pattern",
      .column_label = "layers",
      .value_label = "nats a token",
      .root = true};
  for (int64_t part = 0; part <= a.settings.parts; ++part)
    map.column_names.push_back(part_name(results, names[0], longest, part));
  for (const std::string& name : names) {
    map.row_names.push_back(name);
    map.row_looks.push_back(looks_of(a.settings.patterns).at(name));
    for (int64_t part = 0; part <= a.settings.parts; ++part)
      map.values.push_back(find(results, name, longest, part).above.mean);
  }
  return map;
}

std::string csv_of(const Results& results) {
  std::string csv = csv_line({"pattern", "attention", "first_layer", "last_layer", "length", "from", "to",
                              "nll", "above", "standard_error", "p", "tokens", "clusters", "clusters_are"});
  for (const ApproximationResult& r : results) {
    const auto add = [&](int64_t from, int64_t to, double nll, const PairedDifference& d) {
      const bool known = d.clusters > 1;
      csv += csv_line({r.cell->pattern, r.cell->attention, concat(r.cell->first), concat(r.cell->end - 1),
                       concat(r.cell->length), concat(from), concat(to), csv_number(nll), csv_number(d.mean),
                       known ? csv_number(d.standard_error) : "", known ? csv_number(d.p) : "",
                       concat(d.tokens), concat(d.clusters), d.over_documents ? "documents" : "windows"});
    };
    add(0, r.cell->length, r.evaluation.nll, r.above);
    for (size_t i = 0; i < r.by_position.size(); ++i) {
      const PositionBucket& b = r.evaluation.by_position[i];
      add(b.from, std::min(b.to, r.cell->length), b.nll, r.by_position[i]);
    }
  }
  return csv;
}

Document page_of(const Approximation& a, const Results& results) {
  const int64_t longest = a.settings.lengths.back();
  Document page{.title = "Patterns in place of a model's own attention"};
  const auto add = [&](auto block) { page.blocks.emplace_back(std::move(block)); };
  const auto draw = [&](const std::string& name, const std::string& caption, const auto& write) {
    write((a.settings.out / kFolder / name).string());
    add(Picture{kFolder / name, caption});
  };
  const PairedDifference& over = results[0].above;
  add(Paragraph{concat(
      "Model `", a.settings.model.model, "`, ", a.layers,
      " layers, nothing trained: the same windows under each pattern. Its own attention is `", a.reference,
      "`. ± is the standard error of the paired difference; at ", results[0].cell->length, " tokens over ",
      clusters_text(over), ".", over.over_documents ? "" : " What another text would change is not in it.")});
  if (longest > a.made_for)
    add(Paragraph{
        concat("The model's positions are made for ", a.made_for,
               " tokens. In longer windows its own attention breaks down too, and a pattern that sees "
               "less far may come out below it.")});
  add(length_table(a, results));
  if (a.settings.lengths.size() > 1)
    draw("length.png", "Loss above the model's own attention, by length",
         [&](const std::string& path) { write_chart(path, length_chart(a, results)); });
  if (a.settings.patterns.size() > 1) {
    RowRanking ranked{.names = a.settings.patterns};
    std::vector<SeedSums> models;
    for (const std::string& name : ranked.names) models.push_back({find(results, name, longest).sums});
    ranked.ranking = rank_models(models);
    add(Heading{"Is the order settled?"});
    add(Paragraph{kOrderHelp});
    add(order_table(ranked));
    add(order_reading(ranked, false));
  }
  add(Heading{"By position"});
  add(position_table(a, results));
  draw("position.png", "Loss above the model's own attention, by position",
       [&](const std::string& path) { write_chart(path, position_chart(a, results)); });
  if (const std::vector<std::string> names = by_depth(results); !names.empty()) {
    add(Heading{"By depth"});
    add(Paragraph{
        concat("The pattern in these layers, `", a.reference, "` in all others, at ", longest, " tokens.")});
    add(depth_table(a, results, names));
    draw("depth.png", "Loss above the model's own attention, by the layers that have the pattern",
         [&](const std::string& path) { write_heatmap(path, depth_map(a, results, names)); });
  }
  return page;
}

}  // namespace

std::string write_approximation_page(const Approximation& a) {
  const Results results = read_approximation(a);
  fs::create_directories(a.settings.out / kFolder);
  const Document page = page_of(a, results);
  write_file(a.settings.out / "patterns.md", to_markdown(page));
  write_file(a.settings.out / "patterns.html", to_html(page, a.settings.out));
  write_file(a.settings.out / "patterns.csv", csv_of(results));
  return to_markdown(length_table(a, results));
}

}  // namespace scca
