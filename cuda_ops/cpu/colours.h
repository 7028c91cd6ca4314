// Colours, and shares of them, for what paints a mouth and eyes.

#include <cmath>
#include <cstdint>

namespace {

inline float between(float value, float low, float high) {  // low, if it is not a number
    value = value > low ? value : low;
    return value < high ? value : high;
}
inline float positive(float value) { return value > 0 ? value : 0; }
inline float share(float value, float start, float stop) { return between((value - start) / (stop - start), 0, 1); }
inline float eased(float t) { return t * t * (3 - 2 * t); }

struct Colour {
    float of[3];
};

template <typename Value>
inline Colour each(Value value) {
    return {{value(0), value(1), value(2)}};
}
inline Colour mixed(const Colour& a, const Colour& b, float share_of_b) {
    return each([&](int c) { return a.of[c] + (b.of[c] - a.of[c]) * share_of_b; });
}

}  // namespace
