#include "models/files/model_folder.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "models/config.h"
#include "models/tokenizer/tokenizer.h"
#include "models/weights.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// A folder with these files, each empty or with its content.
struct Folder {
  explicit Folder(std::initializer_list<std::pair<const char*, std::string>> files) {
    for (const auto& [name, content] : files) {
      fs::create_directories((folder / name).parent_path());
      write_file(folder / name, content);
    }
  }
  std::string path() const { return folder.path().string(); }
  std::string why() const { return why_no_model(folder.path(), "config.json").text.substr(path().size()); }
  std::string adapter_error() const {
    return error_of([&] { adapter_folder(folder.path()); }).substr(path().size());
  }
  TemporaryFolder folder;
};

const std::string kConfig = R"({"base_model_name_or_path":"/models/llama"})";

}  // namespace

TEST_CASE("model folder: a name on the hub is told from a folder that is missing") {
  CHECK(why_no_model("meta-llama/Llama-2-7b", "config.json").text ==
        "meta-llama/Llama-2-7b: no such folder. If that is a name on the Hugging Face hub, download it first "
        "(hf "
        "download meta-llama/Llama-2-7b --local-dir Llama-2-7b) and give the folder Llama-2-7b");
  for (const std::string path : {"gone", "./gone/too", "/gone/too", "a/b/c", "gone/"})
    CHECK(why_no_model(path, "config.json").text == path + ": no such folder; expected a model's folder");
  CHECK(error_of([] { adapter_folder("someone/adapter"); }).find("hf download someone/adapter") !=
        std::string::npos);
  CHECK(error_of([] { adapter_folder("gone"); }) == "gone: no such folder; expected an adapter's folder");
}

TEST_CASE("model folder: what lies there instead of a model is said") {
  CHECK(Folder({}).why() == ": no config.json in it");
  CHECK(Folder({{"x.txt", ""}}).why() == ": no config.json in it");
  CHECK(Folder({{"pytorch_model-00001-of-00002.bin", ""}})
            .why()
            .find("pytorch_model-00001-of-00002.bin is not read: "
                  "save it as safetensors") != std::string::npos);
  CHECK(Folder({{"llama.Q4_K_M.gguf", ""}}).why().find("to use its llama.Q4_K_M.gguf, give that file") !=
        std::string::npos);
  CHECK(Folder({{"consolidated.00.pth", ""}}).why().find("consolidated.00.pth is not read") !=
        std::string::npos);
  const Folder adapter({{"adapter_config.json", kConfig}, {"adapter_model.safetensors", ""}});
  CHECK(adapter.why() ==
        ": is an adapter, not a model; give model \"/models/llama\" adapter " + adapter.path());
  CHECK(Folder({{"adapter_config.json", "{"}}).why().find("give model BASE_FOLDER") != std::string::npos);
  const Folder run({{"config.json", "{}"}, {"adapter/adapter_config.json", kConfig}});
  CHECK(is_run_folder(run.path()));
  CHECK(run.why() ==
        ": is a fine-tuning run's folder, not a model; give model \"/models/llama\" adapter " + run.path());
  const Folder pretrained({{"config.json", "{}"}, {"model/config.json", "{}"}});
  CHECK(is_run_folder(pretrained.path()));
  CHECK(pretrained.why() == ": is a run's folder; give " + pretrained.path() + "/model");
  const Folder files({{"x.gguf", ""}, {"model.safetensors", ""}});
  CHECK(error_of([&] { adapter_folder(files.folder / "x.gguf"); }) ==
        files.folder / "x.gguf: is a GGUF file, expected an adapter's folder");
  CHECK(why_no_model(files.folder / "model.safetensors", "config.json")
            .text.find("is a file; give the folder") != std::string::npos);
  CHECK(!is_run_folder(files.path()));
}

TEST_CASE("model folder: an adapter's folder, or the run's that holds it") {
  const Folder adapter({{"adapter_config.json", kConfig}, {"adapter_model.safetensors", ""}});
  CHECK(adapter_folder(adapter.path()) == adapter.path());
  const Folder run({{"adapter/adapter_config.json", kConfig}, {"adapter/adapter_model.safetensors", ""}});
  CHECK(adapter_folder(run.path()) == run.folder / "adapter");
  CHECK(Folder({{"adapter_config.json", kConfig}, {"adapter_model.bin", ""}}).adapter_error() ==
        ": adapter_model.bin is not read: save it as safetensors (PEFT's save_pretrained does)");
  CHECK(Folder({{"adapter_config.json", kConfig}}).adapter_error() == ": no adapter_model.safetensors in it");
  CHECK(Folder({{"adapter_model.safetensors", ""}}).adapter_error() == ": no adapter_config.json in it");
  CHECK(Folder({{"config.json", "{}"}, {"model.safetensors", ""}}).adapter_error() ==
        ": is a model, not an adapter; give it as model alone");
  CHECK(Folder({}).adapter_error() == ": no adapter_config.json in it");
  const Folder file({{"adapter_model.safetensors", ""}});
  CHECK(error_of([&] {
          adapter_folder(file.folder / "adapter_model.safetensors");
        }).find("is a file; give the folder") != std::string::npos);
}

TEST_CASE("model folder: a pointer of git LFS is told from every file of a model, wherever it is read") {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n";
  for (const char* name :
       {"config.json", "tokenizer.model", "tokenizer.json", "model.safetensors.index.json"}) {
    const Folder one({{name, pointer}});
    CHECK(error_of([&] {
            const std::string what = name;
            if (what.starts_with("tokenizer"))
              Tokenizer{one.path()};
            else if (what == "config.json")
              read_config(one.folder / name);
            else
              Weights{one.path()};
          }) == (one.folder / name).string() +
                    ": is a pointer of git LFS, not the file itself; fetch what it points to: git lfs pull");
  }
  const Folder folder({{"model.safetensors", pointer}, {"x.gguf", pointer}});
  for (const char* name : {"model.safetensors", "x.gguf"}) {
    const std::string file = folder.folder / name;
    CHECK(error_of([&] { Weights{file}; }) ==
          file + ": is a pointer of git LFS, not the file itself; fetch what it points to: git lfs pull");
  }
}

TEST_CASE("model folder: what belongs to a model goes along") {
  const Folder from({{"tokenizer.json", "1"},
                     {"chat_template.jinja", "2"},
                     {"README.md", "3"},
                     {"additional_chat_templates/rag.jinja", "4"},
                     {"additional_chat_templates/x.md", "5"}});
  const TemporaryFolder to;
  copy_companions(from.path(), to.path());
  CHECK(read_text_file(to / "tokenizer.json") == "1");
  CHECK(read_text_file(to / "chat_template.jinja") == "2");
  CHECK(!std::filesystem::exists(to / "README.md"));
  CHECK(read_text_file(to / "additional_chat_templates/rag.jinja") == "4");
  CHECK(!std::filesystem::exists(to / "additional_chat_templates/x.md"));
}
