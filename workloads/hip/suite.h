//! What `suite.hip` is asked for (an argument for each check) and the lines that it writes.
#pragma once
#include "check.h"

#include <map>

namespace suite {

/// A check: `key=value` between semicolons.
class Request {
  public:
    explicit Request(const std::string &text) {
        std::istringstream parts(text);
        for (std::string part; std::getline(parts, part, ';');) {
            const size_t at = part.find('=');
            if (at != std::string::npos) values[part.substr(0, at)] = part.substr(at + 1);
        }
    }
    std::string text(const std::string &key) const {
        const auto found = values.find(key);
        return found == values.end() ? "" : found->second;
    }
    double number(const std::string &key, double usual = 0) const {
        return text(key).empty() ? usual : std::strtod(text(key).c_str(), nullptr);
    }
    std::vector<int64_t> list(const std::string &key) const { return split(text(key)); }
    static std::vector<int64_t> split(const std::string &text) {
        std::vector<int64_t> out;
        std::istringstream parts(text);
        for (std::string part; std::getline(parts, part, ',');) out.push_back(std::strtoll(part.c_str(), nullptr, 10));
        return out;
    }

  private:
    std::map<std::string, std::string> values;
};

/// A type of number and the largest error that is right in it.
struct Bound {
    std::string dtype;
    double tolerance;
};

inline std::vector<Bound> bounds(const Request &request) {
    std::vector<Bound> out;
    std::istringstream parts(request.text("dtypes"));
    for (std::string part; std::getline(parts, part, ',');) {
        const size_t at = part.find(':');
        out.push_back({part.substr(0, at), std::strtod(part.c_str() + at + 1, nullptr)});
    }
    return out;
}

inline std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    return out + "\"";
}

/// The file that RMCP_RESULTS names, or standard output. Every line is written at once: a crash takes none with it.
class Results {
  public:
    Results() {
        const char *path = std::getenv("RMCP_RESULTS");
        file = path ? std::fopen(path, "a") : stdout;
        if (!file) std::exit(3);
    }
    void begin(const std::string &check) { write("{\"begin\":" + quoted(check) + "}"); }
    void end() { write("{\"end\":" + std::to_string(count) + "}"); }
    void failed(const std::string &check, const std::string &why) { reason(check, "failed", why), wrong = true; }
    void skipped(const std::string &check, const std::string &why) { reason(check, "skipped", why); }
    void passed(const std::string &check, const std::string &what) {
        ++count;
        write("{\"check\":" + quoted(check) + ",\"what\":" + quoted(what) + ",\"passed\":true}");
    }
    /// An error that is not finite is written as null.
    void compared(const std::string &check, const std::string &what, const Bound &bound, double error, double seconds, const std::string &sampled) {
        ++count;
        std::ostringstream line;
        line << "{\"check\":" << quoted(check) << ",\"what\":" << quoted(what) << ",\"dtype\":" << quoted(bound.dtype) << ",\"max_rel_error\":";
        std::isfinite(error) ? line << error : line << "null";
        line << ",\"tolerance\":" << bound.tolerance << ",\"seconds\":" << seconds;
        if (!sampled.empty()) line << ",\"sampled\":" << quoted(sampled);
        line << "}";
        write(line.str());
    }
    bool has_failed() const { return wrong; }

  private:
    void reason(const std::string &check, const char *key, const std::string &why) {
        ++count;
        write("{\"check\":" + quoted(check) + ",\"" + key + "\":" + quoted(why) + "}");
    }
    void write(const std::string &line) {
        std::fprintf(file, "%s\n", line.c_str());
        std::fflush(file);
    }
    FILE *file;
    uint64_t count = 0;
    bool wrong = false;
};

/// max|got - want| / max|want|, and infinity where a result is not a finite number.
class Error {
  public:
    void add(double got, double want) {
        if (!std::isfinite(got)) bad = true;
        worst = std::max(worst, std::fabs(got - want));
        largest = std::max(largest, std::fabs(want));
    }
    double relative() const {
        if (bad || (largest == 0 && worst != 0)) return std::numeric_limits<double>::infinity();
        return largest == 0 ? 0 : worst / largest;
    }

  private:
    double worst = 0, largest = 0;
    bool bad = false;
};

} // namespace suite
