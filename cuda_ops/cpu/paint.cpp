// The two operators of composing, as real3d_core/analytic/painting.py defines them: a plate looked up at places, and the layers painted.

#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

extern "C" {

// The same fields as in paint_extension.py.
struct Layers {
    const float* torso;    // [torso_side, torso_side, 4]
    const float* carried;  // [3, coarse, coarse]
    const float* head;     // [5, height, width] colour, firmness and matte, so many numbers apart:
    const float* outline;  // [3, rays, rays]
    int64_t head_channel, head_row, head_column;
    int32_t torso_side, first_row, coarse, rays, size;
    int32_t top, left, height, width;  // the box
    float opaque_from, places_per_crop;
};

// A part of a plate, and what is looked up in its place; the same fields as in paint_extension.py.
struct Patch {
    const float* cells;  // [height, width, channels]
    int32_t left, top, height, width;
};

static_assert(sizeof(Patch) == PATCH_BYTES, "paint_extension.py has other fields");
static_assert(sizeof(Layers) == LAYERS_BYTES, "paint_extension.py has other fields");

void look_up(const float* plate, int32_t height, int32_t width, int32_t channels, const float* x, const float* y, int64_t count,
             const Patch* patches, int32_t patch_count, float* found);
int32_t paint(const Layers* layers, const float* backdrop, int64_t backdrop_channel, const float* lacking, int32_t replaced, float* picture,
              float* person);
}

namespace {

const int MOST = 8;    // channels
const int BLOCK = 64;  // places
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

inline Eight eight(const float* anywhere) { return *reinterpret_cast<const Eight*>(anywhere); }
inline Four four(const float* anywhere) { return *reinterpret_cast<const Four*>(anywhere); }
inline float between(float value, float low, float high) {  // low, if it is not a number
    value = value > low ? value : low;
    return value < high ? value : high;
}
inline int32_t between(int32_t value, int32_t low, int32_t high) { return value < low ? low : value > high ? high : value; }

// Weights of the four values around a place that is `t` beyond the second one: cubic convolution with a = -0.75.
inline void cubic(float t, float* weight, int32_t apart) {
    const float a = -0.75f, u = 1 - t;
    weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    weight[apart] = ((a + 2) * t - (a + 3)) * t * t + 1;
    weight[2 * apart] = ((a + 2) * u - (a + 3)) * u * u + 1;
    weight[3 * apart] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
}

// The value of a cell, of which only its own channels may be read.
inline Eight alone(const float* cell, int32_t channels) {
    float value[MOST] = {};
    for (int32_t c = 0; c < channels; c++) value[c] = cell[c];
    return eight(value);
}

// A picture of which cells around a place are read.
struct Cells {
    const float* first;  // of the four times four
    int64_t row;
};

// Those of the last patch that holds all of them, else the plate's; none where they reach beyond the plate. A whole Eight may be read at each.
inline Cells cells_around(const float* plate, int32_t height, int32_t width, int32_t channels, const Patch* patches, int32_t patch_count,
                          int32_t left, int32_t above) {
    for (int32_t k = patch_count - 1; k >= 0; k--) {
        const int32_t x = left - patches[k].left, y = above - patches[k].top;
        if (x >= 0 && y >= 0 && x + 3 < patches[k].width && y + 3 < patches[k].height) {
            const int64_t row = static_cast<int64_t>(patches[k].width) * channels;
            return {patches[k].cells + y * row + static_cast<int64_t>(x) * channels, row};
        }
    }
    const int64_t row = static_cast<int64_t>(width) * channels;
    if (left >= 0 && above >= 0 && left + 4 < width && above + 4 < height) {
        return {plate + above * row + static_cast<int64_t>(left) * channels, row};
    }
    return {nullptr, 0};
}

// Where pixels of an enlarged map lie in it: the value before each, and how far beyond it.
struct Axis {
    std::vector<int32_t> before;
    std::vector<float> beyond;

    Axis(int32_t first, int32_t count, int32_t size, int32_t side, bool within) : before(count), beyond(count) {
        for (int32_t k = 0; k < count; k++) {
            float place = (first + k + 0.5f) * side / size - 0.5f;
            if (within) place = between(place, 0.0f, side - 1.0f);
            before[k] = static_cast<int32_t>(std::floor(place));
            beyond[k] = place - before[k];
        }
    }
};

// Three maps [3, side, side] as rows of cells of four numbers, mixed down to one row; beyond the border it goes on.
class Rows {
  public:
    Rows(const float* maps, int32_t side) : maps(maps), side(side), cells(4 * (side + 2 * BEYOND)) {}

    void mix(const int32_t* rows, const float* weights, int32_t count) {
        for (int32_t map = 0; map < 3; map++) {
            const float* const values = maps + static_cast<int64_t>(map) * side * side;
            for (int32_t x = 0; x < side; x++) {
                float sum = 0;
                for (int32_t k = 0; k < count; k++) sum += weights[k] * values[static_cast<int64_t>(rows[k]) * side + x];
                cells[4 * (x + BEYOND) + map] = sum;
            }
        }
        for (int32_t k = 0; k < BEYOND; k++) {
            cell(k) = cell(BEYOND);
            cell(side + BEYOND + k) = cell(side + BEYOND - 1);
        }
    }
    Four linear(int32_t before, float beyond) const {
        const Four* const a = reinterpret_cast<const Four*>(&cells[4 * (before + BEYOND)]);
        return a[0] + (a[1] - a[0]) * beyond;
    }
    Four cubic_sum(int32_t before, const float* weight) const {
        const Four* const a = reinterpret_cast<const Four*>(&cells[4 * (before - 1 + BEYOND)]);
        return a[0] * weight[0] + a[1] * weight[1] + a[2] * weight[2] + a[3] * weight[3];
    }

  private:
    static const int32_t BEYOND = 2;
    const float* const maps;
    const int32_t side;
    std::vector<float> cells;

    Four& cell(int32_t number) { return *reinterpret_cast<Four*>(&cells[4 * number]); }
};

// Bilinear; beyond the border it goes on.
inline Four looked_up(const float* plate, int32_t side, float x, float y) {
    x = between(((x + 1) * side - 1) / 2, 0.0f, side - 1.0f);
    y = between(((y + 1) * side - 1) / 2, 0.0f, side - 1.0f);
    const int32_t left = static_cast<int32_t>(x), above = static_cast<int32_t>(y);
    const int32_t right = left + (left < side - 1), below = above + (above < side - 1);
    const float across = x - left, down = y - above;
    const float *const upper = plate + static_cast<int64_t>(above) * side * 4, *const lower = plate + static_cast<int64_t>(below) * side * 4;
    const Four a = four(upper + 4 * left), b = four(upper + 4 * right), c = four(lower + 4 * left), d = four(lower + 4 * right);
    const Four top = a + (b - a) * across, bottom = c + (d - c) * across;
    return top + (bottom - top) * down;
}

}  // namespace

// plate [height, width, channels <= MOST], x and y [count] in it -> found [count, channels]. Behind it and behind the patches' cells MOST
// further numbers are free.
void look_up(const float* plate, int32_t height, int32_t width, int32_t channels, const float* x, const float* y, int64_t count,
             const Patch* patches, int32_t patch_count, float* found) {
    const int64_t row = static_cast<int64_t>(width) * channels;
    float across[BLOCK], down[BLOCK], by_column[4 * BLOCK], by_row[4 * BLOCK];
    for (int64_t start = 0; start < count; start += BLOCK) {
        const int32_t some = count - start < BLOCK ? static_cast<int32_t>(count - start) : BLOCK;
        for (int32_t k = 0; k < some; k++) {  // this loop and the next become vectors
            const float place = between(((x[start + k] + 1) * width - 1) / 2, -4.0f, width + 3.0f);
            across[k] = std::floor(place);
            cubic(place - across[k], by_column + k, BLOCK);
        }
        for (int32_t k = 0; k < some; k++) {
            const float place = between(((y[start + k] + 1) * height - 1) / 2, -4.0f, height + 3.0f);
            down[k] = std::floor(place);
            cubic(place - down[k], by_row + k, BLOCK);
        }
        for (int32_t k = 0; k < some; k++) {
            const int32_t left = static_cast<int32_t>(across[k]) - 1, above = static_cast<int32_t>(down[k]) - 1;
            const Cells cells = cells_around(plate, height, width, channels, patches, patch_count, left, above);
            const float* line = cells.first;
            Eight sum = {};
            if (line) {
                for (int32_t j = 0; j < 4; j++, line += cells.row) {
                    Eight along = eight(line) * by_column[k];
                    for (int32_t i = 1; i < 4; i++) along += eight(line + i * channels) * by_column[i * BLOCK + k];
                    sum += along * by_row[j * BLOCK + k];
                }
            } else {
                for (int32_t j = 0; j < 4; j++) {
                    const float* const border = plate + between(above + j, 0, height - 1) * row;
                    for (int32_t i = 0; i < 4; i++) {
                        const int64_t column = between(left + i, 0, width - 1);
                        sum += alone(border + column * channels, channels) * (by_column[i * BLOCK + k] * by_row[j * BLOCK + k]);
                    }
                }
            }
            *reinterpret_cast<Eight*>(found + (start + k) * channels) = sum;
        }
    }
}

// backdrop [3, size, size], lacking the same or null -> picture [size, size, 3], behind which one more number is free, and
// person [size, size]. Returns whether there was too little memory.
int32_t paint(const Layers* given, const float* backdrop, int64_t backdrop_channel, const float* lacking, int32_t replaced, float* picture,
              float* person) try {
    const Layers& layers = *given;
    const int32_t size = layers.size, rays = layers.rays, coarse = layers.coarse;
    const int64_t area = static_cast<int64_t>(size) * size;
    const Axis carried_across(0, size, size, coarse, true), carried_down(0, size, size, coarse, true);
    const Axis ray_across(layers.left, layers.width, size, rays, false), ray_down(layers.top, layers.height, size, rays, false);
    std::vector<float> weights(4 * layers.width), own(size);
    for (int32_t x = 0; x < layers.width; x++) cubic(ray_across.beyond[x], &weights[4 * x], 1);
    for (int32_t x = 0; x < size; x++) own[x] = ((x + 0.5f) / size - 0.5f) * layers.places_per_crop;
    Rows carried(layers.carried, coarse), outline(layers.outline, rays);

    for (int32_t y = 0; y < size; y++) {
        const int32_t above = carried_down.before[y], pair[2] = {above, between(above + 1, 0, coarse - 1)};
        const float shares[2] = {1 - carried_down.beyond[y], carried_down.beyond[y]};
        carried.mix(pair, shares, 2);
        const int32_t in_box = y - layers.top;
        const bool head_row = in_box >= 0 && in_box < layers.height, torso_row = y >= layers.first_row;
        if (head_row) {
            int32_t rows[4];
            float by_row[4];
            for (int32_t k = 0; k < 4; k++) rows[k] = between(ray_down.before[in_box] - 1 + k, 0, rays - 1);
            cubic(ray_down.beyond[in_box], by_row, 1);
            outline.mix(rows, by_row, 4);
        }
        for (int32_t x = 0; x < size; x++) {
            const int64_t pixel = static_cast<int64_t>(y) * size + x;
            const Four away = carried.linear(carried_across.before[x], carried_across.beyond[x]);
            float still = away[2], shown = 0, covers = 0, giving = 0;
            Four skin = {}, colour = {};
            const int32_t column = x - layers.left;
            if (head_row && column >= 0 && column < layers.width) {
                const float* const head = layers.head + in_box * layers.head_row + column * layers.head_column;
                const int64_t channel = layers.head_channel;
                const Four outer = outline.cubic_sum(ray_across.before[column], &weights[4 * column]);
                const float solid = outer[0] > layers.opaque_from ? 1 : between(outer[0], 0.0f, 1.0f);
                const float beside = between(head[4 * channel], 0.0f, 1.0f) * between(outer[1], 0.0f, 1.0f);
                covers = solid > beside ? solid : beside;
                giving = 1 - between(head[3 * channel], 0.0f, 1.0f);
                skin = Four{head[0], head[channel], head[2 * channel], 0};
                still *= between(outer[2], 0.0f, 1.0f);
            }
            if (covers == 1 && giving == 0) {  // nothing behind it shows
                colour = skin;
                shown = 1;
            } else {
                colour = Four{backdrop[pixel], backdrop[pixel + backdrop_channel], backdrop[pixel + 2 * backdrop_channel], 0};
                if (torso_row) {
                    const Four torso = looked_up(layers.torso, layers.torso_side, own[x] - away[0], own[y] - away[1]);
                    shown = torso[3];
                    colour += (torso - colour) * shown;
                }
                covers *= 1 - giving * shown;
                colour += (skin - colour) * covers;
                shown += (1 - shown) * covers;
            }
            if (lacking) {
                if (replaced) still *= shown;
                if (still > 0) colour += Four{lacking[pixel], lacking[pixel + area], lacking[pixel + 2 * area], 0} * still;
                const Four black = {}, white = {1, 1, 1, 1};
                colour = colour > black ? colour : black;
                colour = colour < white ? colour : white;
            }
            *reinterpret_cast<Four*>(picture + 3 * pixel) = colour;
            person[pixel] = shown;
        }
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
