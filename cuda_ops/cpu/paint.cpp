// The operators of composing, as real3d_core/analytic/painting.py defines them: a plate looked up at places or by rays, and the layers
// painted.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

extern "C" {

// The same fields as in paint_extension.py.
struct Layers {
    const float* torso;                // [torso_side, torso_side, 4]
    const unsigned char* torso_cells;  // of CELL x CELL pixels: whether there is any torso in them or right beside them
    const float* carried;              // [3, coarse, coarse]
    const float* head;                 // [5, height, width] colour, firmness and matte; channels and rows are so many numbers apart:
    const float* outline;              // [3, rays, rays]
    int64_t head_channel, head_row;
    int32_t torso_side, first_row, coarse, rays, size;
    int32_t top, left, height, width;  // the box
    float opaque_from, places_per_crop;
};

// A part of a plate, and what is looked up in its place; the same fields as in paint_extension.py.
struct Patch {
    const float* cells;  // [height, width, channels]
    int32_t left, top, height, width;
};

// What colours are looked up in; behind the patches' cells MOST further numbers are free. The same fields as in paint_extension.py.
struct Plate {
    const float* cells;  // [height, width, channels <= MOST]
    const Patch* patches;
    int32_t height, width, channels, patch_count;
};

static_assert(sizeof(Patch) == PATCH_BYTES && sizeof(Plate) == PLATE_BYTES, "paint_extension.py has other fields");
static_assert(sizeof(Layers) == LAYERS_BYTES, "paint_extension.py has other fields");

void look_up(const Plate* plate, const float* x, const float* y, int64_t count, float* found);
int32_t look_up_rays(const Plate* plate, const float* away, const unsigned char* shown, int32_t rays, int32_t size, int32_t top,
                     int32_t left, int32_t height, int32_t width, float places_per_crop, float* found);
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
inline Cells cells_around(const Plate& plate, int32_t left, int32_t above) {
    const Patch* const patches = plate.patches;
    const int32_t channels = plate.channels;
    for (int32_t k = plate.patch_count - 1; k >= 0; k--) {
        const int32_t x = left - patches[k].left, y = above - patches[k].top;
        if (x >= 0 && y >= 0 && x + 3 < patches[k].width && y + 3 < patches[k].height) {
            const int64_t row = static_cast<int64_t>(patches[k].width) * channels;
            return {patches[k].cells + y * row + static_cast<int64_t>(x) * channels, row};
        }
    }
    const int64_t row = static_cast<int64_t>(plate.width) * channels;
    if (left >= 0 && above >= 0 && left + 4 < plate.width && above + 4 < plate.height) {
        return {plate.cells + above * row + static_cast<int64_t>(left) * channels, row};
    }
    return {nullptr, 0};
}

// MAPS maps [MAPS, side, side], enlarged along x to `width` pixels from pixel `left` of `size` on when a row is first asked for, then along y;
// beyond the border they go on. Bilinear (2 taps) or bicubic (4).
template <int TAPS, int MAPS>
class Enlarged {
  public:
    Enlarged(const float* maps, int32_t side, int32_t size, int32_t left, int32_t width)
        : maps(maps), side(side), size(size), width(width), before(width), weights(TAPS * width), padded(side + 2 * BEYOND),
          kept(MAPS * TAPS * width), mixed(MAPS * width) {
        for (int32_t x = 0; x < width; x++) before[x] = place(left + x, &weights[x], width) + BEYOND;
        for (int32_t k = 0; k < TAPS; k++) holds[k] = -1;
    }

    // The maps in a row of pixels.
    const float* row(int32_t y) {
        float share[TAPS];
        const int32_t first = place(y, share, 1);
        const float* rows[TAPS];
        for (int32_t k = 0; k < TAPS; k++) rows[k] = along(between(first + k, 0, side - 1));
        for (int32_t x = 0; x < MAPS * width; x++) {
            float sum = rows[0][x] * share[0];
            for (int32_t k = 1; k < TAPS; k++) sum += rows[k][x] * share[k];
            mixed[x] = sum;
        }
        return mixed.data();
    }

    // The first of the values of a row or column that have a part in its pixel; it may lie beyond the border.
    int32_t first(int32_t pixel) const {
        float share[TAPS];
        return place(pixel, share, 1);
    }

  private:
    static const int32_t BEYOND = 2;
    const float* const maps;
    const int32_t side, size, width;
    std::vector<int32_t> before;
    std::vector<float> weights, padded, kept, mixed;
    int32_t holds[TAPS];

    // The first of the values that have a part in a pixel, and their parts.
    int32_t place(int32_t pixel, float* weight, int32_t apart) const {
        float place = (pixel + 0.5f) * side / size - 0.5f;
        if (TAPS == 2) place = between(place, 0.0f, side - 1.0f);
        const float whole = std::floor(place);
        if (TAPS == 4) {
            cubic(place - whole, weight, apart);
        } else {
            weight[0] = 1 - (place - whole);
            weight[apart] = place - whole;
        }
        return static_cast<int32_t>(whole) - (TAPS == 4);
    }
    const float* along(int32_t row) {
        float* const values = &kept[MAPS * width * (row % TAPS)];
        if (holds[row % TAPS] == row) return values;
        holds[row % TAPS] = row;
        for (int32_t map = 0; map < MAPS; map++) {
            const float* const from = maps + (static_cast<int64_t>(map) * side + row) * side;
            for (int32_t k = 0; k < BEYOND; k++) {
                padded[k] = from[0];
                padded[side + BEYOND + k] = from[side - 1];
            }
            for (int32_t k = 0; k < side; k++) padded[BEYOND + k] = from[k];
            float* const to = values + map * width;
            for (int32_t x = 0; x < width; x++) {
                float sum = padded[before[x]] * weights[x];
                for (int32_t k = 1; k < TAPS; k++) sum += padded[before[x] + k] * weights[k * width + x];
                to[x] = sum;
            }
        }
        return values;
    }
};

// Four channels of a plate [side, side, 4] at x and y, in pixels; bilinear, beyond the border it goes on.
inline Four looked_up(const float* plate, int32_t side, float x, float y) {
    const int32_t left = static_cast<int32_t>(x), above = static_cast<int32_t>(y);
    const int32_t right = left < side - 1 ? 4 : 0;
    const int64_t below = above < side - 1 ? 4 * static_cast<int64_t>(side) : 0;
    const float across = x - left, down = y - above;
    const float* const at = plate + 4 * (static_cast<int64_t>(above) * side + left);
    const Four a = four(at), b = four(at + right), c = four(at + below), d = four(at + below + right);
    const Four top = a + (b - a) * across, bottom = c + (d - c) * across;
    return top + (bottom - top) * down;
}

// Bicubic; colours of up to BLOCK places, those of a channel `apart` numbers from those of the one before it.
void look_up_some(const Plate& plate, const float* x, const float* y, int32_t some, float* found, int64_t apart) {
    const int32_t height = plate.height, width = plate.width, channels = plate.channels;
    const int64_t row = static_cast<int64_t>(width) * channels;
    float across[BLOCK], down[BLOCK], by_column[4 * BLOCK], by_row[4 * BLOCK];
    for (int32_t k = 0; k < some; k++) {  // this loop and the next become vectors
        const float place = between(((x[k] + 1) * width - 1) / 2, -4.0f, width + 3.0f);
        across[k] = std::floor(place);
        cubic(place - across[k], by_column + k, BLOCK);
    }
    for (int32_t k = 0; k < some; k++) {
        const float place = between(((y[k] + 1) * height - 1) / 2, -4.0f, height + 3.0f);
        down[k] = std::floor(place);
        cubic(place - down[k], by_row + k, BLOCK);
    }
    Eight colour[BLOCK];
    for (int32_t k = 0; k < some; k++) {
        const int32_t left = static_cast<int32_t>(across[k]) - 1, above = static_cast<int32_t>(down[k]) - 1;
        const Cells cells = cells_around(plate, left, above);
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
                const float* const border = plate.cells + between(above + j, 0, height - 1) * row;
                for (int32_t i = 0; i < 4; i++) {
                    const int64_t column = between(left + i, 0, width - 1);
                    sum += alone(border + column * channels, channels) * (by_column[i * BLOCK + k] * by_row[j * BLOCK + k]);
                }
            }
        }
        colour[k] = sum;
    }
    for (int32_t c = 0; c < channels; c++) {
        for (int32_t k = 0; k < some; k++) found[c * apart + k] = colour[k][c];
    }
}

}  // namespace

// x and y [count] in the plate -> found [channels, count].
void look_up(const Plate* plate, const float* x, const float* y, int64_t count, float* found) {
    for (int64_t k = 0; k < count; k += BLOCK) {
        look_up_some(*plate, x + k, y + k, static_cast<int32_t>(count - k < BLOCK ? count - k : BLOCK), found + k, count);
    }
}

// away [2, rays, rays], how far from their own places the rays arrive in the plate; shown [rays, rays] -> found [channels, height, width]
// for some pixels of size * size, zeros where no ray that is enlarged to a pixel is shown. Returns whether there was too little memory.
int32_t look_up_rays(const Plate* plate, const float* away, const unsigned char* shown, int32_t rays, int32_t size, int32_t top,
                     int32_t left, int32_t height, int32_t width, float places_per_crop, float* found) try {
    Enlarged<4, 2> enlarged(away, rays, size, left, width);
    const int64_t area = static_cast<int64_t>(height) * width;
    std::vector<float> own(size), x(width), y(width);
    std::vector<int32_t> last(size);  // of the four rays that have a part in a pixel
    std::vector<unsigned char> any(rays + 3);
    for (int32_t k = 0; k < size; k++) own[k] = ((k + 0.5f) / size - 0.5f) * places_per_crop;
    for (int32_t k = 0; k < size; k++) last[k] = enlarged.first(k) + 3;
    for (int32_t row = 0; row < height; row++) {
        const float* const shift = enlarged.row(top + row);
        for (int32_t k = 0; k < width; k++) {
            x[k] = own[left + k] + shift[k];
            y[k] = own[top + row] + shift[width + k];
        }
        for (int32_t k = 0; k < rays + 3; k++) any[k] = 0;
        for (int32_t ray = last[top + row] - 3; ray <= last[top + row]; ray++) {
            const unsigned char* const from = shown + static_cast<int64_t>(between(ray, 0, rays - 1)) * rays;
            for (int32_t k = 0; k < rays; k++) any[k] |= from[k];
        }
        for (int32_t k = rays + 2; k >= 0; k--) {  // of the ray and the three before it
            for (int32_t before = 1; before < 4 && before <= k; before++) any[k] |= any[k - before];
        }
        float* const to = found + static_cast<int64_t>(row) * width;
        auto visible = [&](int32_t k) { return any[last[left + k]] != 0; };
        for (int32_t k = 0; k < width;) {
            const bool seen = visible(k);
            int32_t stop = k + 1;
            while (stop < width && visible(stop) == seen && (!seen || stop < k + BLOCK)) stop++;
            if (seen) {
                look_up_some(*plate, &x[k], &y[k], stop - k, to + k, area);
            } else {
                for (int32_t channel = 0; channel < plate->channels; channel++) std::fill_n(to + channel * area + k, stop - k, 0.0f);
            }
            k = stop;
        }
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// backdrop [3, size, size], lacking the same or null -> picture [size, size, 3] and person [size, size]. Returns whether there was too
// little memory. All but the torso's look-up is done a row at a time: such loops become vectors.
int32_t paint(const Layers* given, const float* backdrop, int64_t backdrop_channel, const float* lacking, int32_t replaced, float* picture,
              float* person) try {
    const Layers& layers = *given;
    const int32_t size = layers.size, left = layers.left, width = layers.width;
    const int64_t area = static_cast<int64_t>(size) * size;
    Enlarged<2, 3> carried(layers.carried, layers.coarse, size, 0, size);
    Enlarged<4, 3> outline(layers.outline, layers.rays, size, left, width);
    const int32_t cells_per_row = (layers.torso_side + CELL - 1) / CELL;
    std::vector<Four> found(size);
    std::vector<float> own(size), covers(size), giving(size), still(size), right(size), down(size), torso(4 * size), colour(3 * size);
    const float* const opacity = &torso[3 * size];
    for (int32_t x = 0; x < size; x++) own[x] = ((x + 0.5f) / size - 0.5f) * layers.places_per_crop;

    for (int32_t y = 0; y < size; y++) {
        const float* const away = carried.row(y);
        float* const shown = person + static_cast<int64_t>(y) * size;
        const float* const behind = backdrop + static_cast<int64_t>(y) * size;
        const int32_t in_box = y - layers.top;
        const bool head_row = in_box >= 0 && in_box < layers.height;
        const float* const head = layers.head + in_box * layers.head_row;
        for (int32_t x = 0; x < size; x++) covers[x] = giving[x] = 0;
        for (int32_t x = 0; x < size; x++) still[x] = away[2 * size + x];
        if (head_row) {
            const float* const outer = outline.row(y);
            const float *const firmness = head + 3 * layers.head_channel, *const matte = head + 4 * layers.head_channel;
            for (int32_t x = 0; x < width; x++) {
                const float solid = outer[x] > layers.opaque_from ? 1 : between(outer[x], 0.0f, 1.0f);
                const float beside = between(matte[x], 0.0f, 1.0f) * between(outer[width + x], 0.0f, 1.0f);
                covers[left + x] = solid > beside ? solid : beside;
                giving[left + x] = 1 - between(firmness[x], 0.0f, 1.0f);
                still[left + x] *= between(outer[2 * width + x], 0.0f, 1.0f);
            }
        }
        if (y >= layers.first_row) {
            const float side = layers.torso_side;
            for (int32_t x = 0; x < size; x++) {
                right[x] = between(((own[x] - away[x] + 1) * side - 1) / 2, 0.0f, side - 1);
                down[x] = between(((own[y] - away[size + x] + 1) * side - 1) / 2, 0.0f, side - 1);
            }
            for (int32_t x = 0; x < size; x++) {
                const unsigned char* const cells = layers.torso_cells + static_cast<int32_t>(down[x]) / CELL * cells_per_row;
                const bool nothing = !cells[static_cast<int32_t>(right[x]) / CELL] || (covers[x] == 1 && giving[x] == 0);
                found[x] = nothing ? Four{} : looked_up(layers.torso, layers.torso_side, right[x], down[x]);
            }
            for (int32_t x = 0; x < size; x++) {
                for (int32_t channel = 0; channel < 4; channel++) torso[channel * size + x] = found[x][channel];
            }
        }
        for (int32_t x = 0; x < size; x++) {
            covers[x] *= 1 - giving[x] * opacity[x];
            shown[x] = opacity[x] + (1 - opacity[x]) * covers[x];
        }
        if (lacking && replaced) {
            for (int32_t x = 0; x < size; x++) still[x] *= shown[x];
        }
        for (int32_t channel = 0; channel < 3; channel++) {
            const float* const below = behind + channel * backdrop_channel;
            const float* const skin = head + channel * layers.head_channel - left;
            const float* const over = &torso[channel * size];
            float* const mixed = &colour[channel * size];
            for (int32_t x = 0; x < size; x++) mixed[x] = below[x] + (over[x] - below[x]) * opacity[x];
            for (int32_t x = left; x < left + width && head_row; x++) mixed[x] += (skin[x] - mixed[x]) * covers[x];
            if (lacking) {
                const float* const lacks = lacking + channel * area + static_cast<int64_t>(y) * size;
                for (int32_t x = 0; x < size; x++) mixed[x] = between(mixed[x] + lacks[x] * still[x], 0.0f, 1.0f);
            }
        }
        float* const pixels = picture + 3 * static_cast<int64_t>(y) * size;
        for (int32_t x = 0; x < size; x++) {
            for (int32_t channel = 0; channel < 3; channel++) pixels[3 * x + channel] = colour[channel * size + x];
        }
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
