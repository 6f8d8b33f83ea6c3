// tokenize TOKENIZER.json TEXT: prints the ids of the text, by way of the library.

#include <expo/core/disk/filesystem.h>
#include <expo/core/error.h>
#include <expo/text/tokenizer.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const auto tokenizer =
        expo::Tokenizer::from_json(expo::posix_filesystem().read_text(argv[1]), argv[1]);
    for (const expo::TokenId id : tokenizer.encode(argv[2], expo::SpecialTokens::keep))
      std::cout << id << " ";
    std::cout << "\n";
    return 0;
  } catch (const expo::Error& error) {
    std::cerr << error.what() << "\n";
    return expo::exit_code(error.category());
  }
}
