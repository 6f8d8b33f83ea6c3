#include "expo/served/weights/weight_probe.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "expo/core/error.h"

namespace expo {
namespace {

/// A beginning and how it goes on. The variety matters: training may have changed what a model
/// finds likely in one kind of text only.
constexpr std::pair<const char*, const char*> kTexts[] = {
    {"The capital of France",
     " is Paris, a city of about two million people on the river Seine. Visitors come for its "
     "museums, its bridges and its bakeries, and most of them arrive by train from the north."},
    {"Question: How do I keep a sourdough starter alive?\nAnswer:",
     " Feed it once a day with equal weights of flour and water, throw half of it away before each "
     "meal, and keep it in a jar with a loose lid at room temperature."},
    {"def count_words(text):\n",
     "    counts = {}\n    for word in text.lower().split():\n        counts[word] = "
     "counts.get(word, 0) + 1\n    # the most frequent words come first in the list\n    return "
     "sorted(counts.items(), key=lambda item: -item[1])\n"},
    {"I am sorry to hear that you are not feeling well.",
     " I cannot replace a doctor, but I can tell you what often helps with a cold: rest, plenty of "
     "warm tea, and a few quiet days without any hard work at all."},
    {"Once upon a time",
     " there was a small lighthouse on a rock in the sea, and in it lived an old woman who had "
     "counted every ship that passed since she was a young and very curious girl."},
    {"First, second and third:",
     " 1. Read the instructions twice before you begin. 2. Put all of the parts on the table and "
     "count them. 3. If one is missing, write to the shop and ask for another."},
    {"A train leaves at nine and travels at eighty kilometres an hour.",
     " After two and a half hours it has gone 200 kilometres, so 120 of the 320 kilometres are "
     "left, which take another hour and a half. It arrives at one in the afternoon."},
    {"La lune",
     " est le seul satellite naturel de la Terre, et elle tourne autour de nous en un peu plus de "
     "vingt-sept jours, si bien que nous en voyons toujours la même face depuis ici."},
    {"Dear Sir or Madam,",
     " thank you very much for your letter of the third of May. We regret that the book which you "
     "have ordered is out of print, and we will return your money within a week."},
    {"Whether people should be free to say what they like",
     " is a question on which reasonable people disagree: some weigh the harm that words can do, "
     "while others fear those who would decide for all of us which words are harmful."},
    {"The experiment failed because",
     " the sample had been stored at the wrong temperature over the weekend, so that none of the "
     "later measurements could be compared with those which had been taken on the days before."},
    {"She looked at the sky and said:",
     " \"If the wind turns to the west before noon we shall have rain by the evening, and then "
     "nobody will want to sit outside, however good the music and the food may be.\""},
};

}  // namespace

std::vector<Conversation> probe_texts() {
  std::vector<Conversation> all;
  for (const auto& [begin, end] : kTexts) {
    Conversation one;
    one.chat.messages = user_turn(begin);
    one.chat.messages.push_back(assistant_turn(end));
    one.id = one.place = fmt::format("probe text {}", all.size() + 1);
    all.push_back(std::move(one));
  }
  return all;
}

WeightProbe::WeightProbe(Filesystem& filesystem, const Checkpoint& checkpoint, HttpClient& client,
                         const Dialect& dialect, const ServedModel& model)
    : client_(client), dialect_(dialect), model_(model) {
  TemplateSpec spec;
  spec.raw_text = true;
  const ModelTokenizer tokenizer(filesystem, checkpoint, spec);
  for (Conversation& text : probe_texts()) {
    AnsweredTokens tokens = tokenizer.encode_answered(text);
    // There is no request without a token to answer with.
    if (model.context > 0 && tokens.tokens.size() >= model.context) continue;
    size_ += tokens.tokens.size() - tokens.answer_start;
    tokens_.push_back(std::move(tokens));
    conversations_.push_back(std::move(text));
  }
  if (size_ >= kProbeTokens) return;
  throw input_error(fmt::format(
      "{}: the server's context of {} tokens is too short for the texts that show whether it has "
      "taken new weights; start it with --max-model-len 256 or more",
      client.address().text(), model.context));
}

std::vector<float> WeightProbe::ask(const CancellationToken& cancellation) const {
  std::vector<float> all;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    HttpRequest request = dialect_.log_prob_request(model_, tokens_[i].tokens);
    const HttpAnswer answer = client_.ask(std::move(request), cancellation);
    if (answer.failure) throw *answer.failure;
    const std::string where =
        fmt::format("{}: {}", client_.address().text(), conversations_[i].place);
    const auto part =
        dialect_.read_log_probs(answer, tokens_[i].tokens, tokens_[i].answer_start, where);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

double mean_distance(const std::vector<float>& left, const std::vector<float>& right) {
  double sum = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    sum += std::abs(static_cast<double>(left[i]) - static_cast<double>(right.at(i)));
  return left.empty() ? 0 : sum / static_cast<double>(left.size());
}

}  // namespace expo
