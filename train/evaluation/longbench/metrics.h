#pragma once
// LongBench's metrics (Bai et al., arXiv 2308.14508; metrics.py of THUDM/LongBench), each in [0, 1], of one
// prediction against one answer. They follow the reference to its oddities, so that figures compare with
// published ones. Numbers are runs of ASCII digits.
#include <string>
#include <string_view>
#include <vector>

namespace scca::longbench {

/// F1 = 2 p r / (p + r) over the words two texts share, as multisets, after lower case, without ASCII
/// punctuation and without "a", "an", "the". 0 when they share none.
double qa_f1(std::string_view prediction, std::string_view answer);

/// ROUGE-L F1 at summary level, as the Python package `rouge` 1.0.1 computes it: both texts are cut into
/// sentences at full stops; U is the set of words in a longest common subsequence of any pair of sentences;
/// r = |U| / different words of the answer, p = |U| / those of the prediction, F = 2 p r / (p + r + 1e-8).
/// 0 when a text has nothing but full stops. (Beyond some thousand words in two sentences the package runs
/// out of stack, which LongBench scores as 0; here they are scored.)
double rouge_l(std::string_view prediction, std::string_view answer);

/// 1 / n when the answer is among the n class names that the prediction contains, else 0. A name that is
/// part of the answer's own does not count (but of two in a row the second one does, as in the reference,
/// which drops from the list it walks).
double classification(std::string_view prediction, std::string_view answer,
                      const std::vector<std::string>& classes);

/// The share of the numbers in the prediction that are the number after `marker` in the answer
/// ("Paragraph 7"); 0 without any number. Throws Error when the answer has no such number.
double retrieval(std::string_view prediction, std::string_view answer, std::string_view marker);

/// The share of the numbers in the prediction that equal the answer, which is a number.
double count(std::string_view prediction, std::string_view answer);

/// How alike the answer and the first line of the prediction without '`', '#' and "//" are, in whole
/// percents (halves to even): fuzzywuzzy's ratio over Python's difflib, LongBench's requirements being
/// without Levenshtein. That is 2 M / T, with T characters in both and M in matching blocks: the longest
/// common block, then the same to its left and to its right; in an answer of 200 characters or more, no block
/// begins with one that makes up more than about 1 % of it.
double code_similarity(std::string_view prediction, std::string_view answer);

}  // namespace scca::longbench
