#pragma once
// A study as a page to read: tables, pictures, and a first reading of them. OUT/study.md with OUT/pictures/,
// OUT/study.html, which holds its pictures, and OUT/study.csv with every cell.
#include <string>
#include <vector>

#include "train/report/document.h"
#include "train/study/results.h"
#include "train/study/text.h"

namespace scca {

/// The pictures, relative to OUT. A kind of picture that has nothing to show is not drawn.
std::vector<Picture> draw_study(const Study& study, const std::vector<StudyRowResult>& results);

/// Perplexity at each length under the base's own attention, at the longest under the row's own, and the
/// paired difference from `full` (or the first pattern).
Table quality_table(const Study& study, const std::vector<StudyRowResult>& results);
/// Each pattern where all have done the same attention FLOPs.
Table equal_flops_table(const Study& study, const std::vector<StudyRowResult>& results);
/// Visible pairs, speed, memory, and how far a layer reaches.
Table cost_table(const Study& study, const std::vector<StudyRowResult>& results);
/// The share of passkeys found, by length.
Table passkey_table(const Study& study, const std::vector<StudyRowResult>& results);
/// The paper's Table 2 beside ours, each with its order; without rows when fewer than two of its patterns are
/// here.
Table paper_table(const Study& study, const std::vector<StudyRowResult>& results);
/// What the tables say, in sentences made from their figures.
std::vector<Paragraph> study_reading(const Study& study, const std::vector<StudyRowResult>& results);

/// Reads the results and writes all of it; returns the tables of quality and cost (Markdown). Throws Error as
/// read_study.
std::string write_study_page(const Study& study);

}  // namespace scca
