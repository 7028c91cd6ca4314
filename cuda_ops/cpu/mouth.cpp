// The inside of a mouth, as MouthInterior of real3d_core/analytic/mouth.py defines it (change both; where they differ that one is used, which
// takes ten times as long, and test_mouth.py fails); mouth_extension.py puts this text behind colours.h, the
// numbers of that file, in capitals, and the size that the struct has in Python.

extern "C" {

// Of a portrait; lengths are in face heights. The same fields as in mouth_extension.py.
struct Mouth {
    const float* photo;                  // [3, side, side] a plate with its margins; how many numbers further the next of each is:
    int64_t channel, row, pixel_on;
    const float* curves;                 // [columns, 6] how far down the upper lip, the lower lip and the teeth end, and the rim's colour
    int32_t side, columns, shown, has_teeth, has_lower_teeth;
    float first, last, half_width, upper_middle, lower_middle, pixel;
    float axes[2][2], middle[2], height, per_plate;  // of the frame between the corners of the mouth, in crop units; of those in a plate
    float own[3];                        // colour of the photo's teeth, below 0: none are seen
    float slope, teeth[3], gums[3], flesh[3], reflected[3], one_tone, tone[3][3];
};

static_assert(sizeof(Mouth) == MOUTH_BYTES, "mouth_extension.py has other fields");

void between_lips(const Mouth* mouth, const float* skull, const float* jaw, const float* below_upper, int64_t count, const float* slant,
                  float* colours);
}

namespace {

const float UPPER[] = {UPPER_TEETH}, LOWER[] = {LOWER_TEETH};
const int TEETH = sizeof(UPPER) / sizeof(float);
static_assert(sizeof(UPPER) == sizeof(LOWER), "both rows have as many teeth");

inline float lit_between(float gap) { return NARROW_0 + (1 - NARROW_0) * share(gap, 0, NARROW_1); }

struct Place {
    float x, y;
};
struct Layer {
    Colour colour;
    float covers;
};

inline Colour over(const Colour& below, const Layer& layer) { return mixed(below, layer.colour, layer.covers); }

// What the photo shows at a place across.
struct Column {
    float upper, lower, bite, rim[3];
};

// Where within its tooth a place is, -1..1, and the tooth's number from the middle.
inline float tooth(float x, const float* widths, int* number) {
    const float away = std::fabs(x);
    float end = widths[0];
    int k = 0;
    while (k < TEETH - 1 && away > end) end += widths[++k];
    *number = k;
    return between((away - end) / widths[k] * 2 + 1, -1, 1);
}

class Pixel {
  public:
    Pixel(const Mouth& mouth, Place skull, Place jaw, float below_upper, float wide_open, const float* slant)
        : mouth(mouth), skull(skull), jaw(jaw), below_upper(below_upper), wide_open(wide_open), slant{slant[0], -slant[1]},
          opened(positive(skull.y - jaw.y)), parts(share(opened, CLINGS / 2, 2 * CLINGS)), of_jaw(column(jaw.x)), of_skull(column(skull.x)),
          above_lower(positive(of_jaw.lower - jaw.y)) {}

    Colour operator()() const {
        const float narrow = lit_between(below_upper + above_lower);
        const float shade = across(skull.x) * narrow * (LIP_SHADE_0 + (1 - LIP_SHADE_0) * share(below_upper, 0, LIP_SHADE_1));
        const float gap = below_upper + above_lower, down = below_upper / (gap > 1e-4f ? gap : 1e-4f);
        const float off = (down - DEEPEST) / DEEPEST, hollow = 1 - HOLLOW * off * off;
        const Place upper = deeper(skull, TEETH_DEPTH), lower = deeper({skull.x, jaw.y}, TEETH_DEPTH);
        Colour colour = toned(behind_teeth(deeper({skull.x, jaw.y}, TONGUE_DEPTH), upper, lower, shade, hollow));
        const float own_light = std::sqrt(between(narrow / lit_between(of_skull.lower - of_skull.upper), 0, 1));
        if (mouth.shown) colour = over(colour, as_lit(own_lower(lower), own_light));
        Layer row = upper_row(upper);
        row.colour = toned(shaded(row.colour, shade));
        if (mouth.shown && !mouth.has_teeth) row.covers *= parts;
        colour = over(colour, row);
        if (mouth.shown) {
            const float raised = positive(below_upper - (skull.y - of_skull.upper));
            colour = over(colour, as_lit(own_upper(upper, raised), own_light));
        }
        const float under_lip = 1 - UNDER_LIP_0 * share(opened, 0, CLINGS) * (1 - share(below_upper, 0, UNDER_LIP_1));
        colour = over(each([&](int c) { return colour.of[c] * under_lip; }), inside_of_lip());
        return each([&](int c) { return between(colour.of[c], 0, 1); });
    }

  private:
    const Mouth& mouth;
    const Place skull, jaw;
    const float below_upper, wide_open;
    const Place slant;
    const float opened, parts;
    const Column of_jaw, of_skull;
    const float above_lower;

    Place deeper(Place place, float depth) const { return {place.x + slant.x * depth, place.y + slant.y * depth}; }
    float edge(float distance) const { return between(distance / mouth.pixel + 0.5f, 0, 1); }
    float across(float x) const { return between(1 + mouth.slope * x, 0.6f, 1.4f); }
    float aside(float x) const { return x / mouth.half_width; }
    float within(float x) const { return between(x, -SHOWN_WIDTH * mouth.half_width, SHOWN_WIDTH * mouth.half_width); }

    Column column(float x) const {
        const int32_t steps = mouth.columns - 1;
        const float place = between((x - mouth.first) / (mouth.last - mouth.first) * steps, 0, steps);
        const int32_t before = place < steps ? static_cast<int32_t>(place) : steps - 1;
        const float *const start = mouth.curves + 6 * before, part = place - before;
        auto at = [&](int k) { return start[k] + (start[6 + k] - start[k]) * part; };
        return {at(0), at(1), at(2), {at(3), at(4), at(5)}};
    }
    Colour sample(float x, float y) const {
        auto pixels = [&](int axis) {
            const float place = (x * mouth.axes[axis][0] + y * mouth.axes[axis][1]) * mouth.height + mouth.middle[axis] - 0.5f;
            return between(place * mouth.per_plate * mouth.side + (mouth.side - 1) * 0.5f, 0, mouth.side - 1.0f);
        };
        const float along = pixels(0), down = pixels(1);
        const int32_t left = static_cast<int32_t>(along), above = static_cast<int32_t>(down);
        const int64_t right = left < mouth.side - 1 ? mouth.pixel_on : 0, below = above < mouth.side - 1 ? mouth.row : 0;
        return each([&](int c) {
            const float* const at = mouth.photo + c * mouth.channel + above * mouth.row + left * mouth.pixel_on;
            const float top = at[0] + (at[right] - at[0]) * (along - left);
            const float bottom = at[below] + (at[below + right] - at[below]) * (along - left);
            return top + (bottom - top) * (down - above);
        });
    }
    float likeness(const Colour& colour) const {
        if (mouth.own[0] < 0) return 0;
        const float brightest = std::fmax(mouth.own[0], std::fmax(mouth.own[1], mouth.own[2]));
        return between(4 * std::fmax(colour.of[0], std::fmax(colour.of[1], colour.of[2])) / brightest - 0.4f, 0, 1);
    }
    float paleness(const Colour& colour) const {
        if (mouth.own[0] < 0) return 1;
        const Colour light = each([&](int c) { return colour.of[c] / std::fmax(mouth.own[c], 0.02f); });
        const float least = std::fmin(light.of[0], std::fmin(light.of[1], light.of[2]));
        const float most = std::fmax(light.of[0], std::fmax(light.of[1], light.of[2]));
        return share(least / std::fmax(most, 0.02f), LIP_PALE, TOOTH_PALE);
    }
    Colour shaded(const Colour& colour, float lit) const {
        return each([&](int c) { return colour.of[c] * lit * (1 + positive(1 - lit) * mouth.reflected[c]); });
    }
    Colour shaded(const float* colour, float lit) const { return shaded(Colour{{colour[0], colour[1], colour[2]}}, lit); }
    Colour toned(const Colour& colour) const {
        if (mouth.one_tone == 0) return colour;
        const float luma = colour.of[0] * LUMA_0 + colour.of[1] * LUMA_1 + colour.of[2] * LUMA_2;
        return each([&](int c) {
            const float tone = mouth.tone[0][c] + luma * mouth.tone[1][c] + luma * luma * mouth.tone[2][c];
            return colour.of[c] + (tone - colour.of[c]) * mouth.one_tone;
        });
    }
    // How light falls on teeth.
    float rounded(float x, float in_tooth) const {
        const float side = aside(x) * aside(x), beside = positive(std::fabs(in_tooth) - 0.80f) / 0.20f;
        return (1 - 0.52f * between(side, 0, 1)) * (1 - 0.07f * in_tooth * in_tooth) * (1 - 0.16f * beside * beside);
    }
    float above_edge(Place place, float in_tooth, int number) const {
        const float square = in_tooth * in_tooth, shorter = ROUND * square * square + (number == 1 ? 0.003f : 0);
        const float end = mouth.has_teeth ? column(place.x).bite - mouth.pixel
                                          : mouth.upper_middle + UPPER_EDGE - UPPER_ARCH * place.x * place.x;
        return end - shorter - place.y;
    }
    Colour behind_teeth(Place tongue, Place upper, Place lower, float shade, float hollow) const {
        const float wide = share(opened, OPENS_0, OPENS_1), side = aside(skull.x);
        int number;
        const float in_tooth = tooth(upper.x, UPPER, &number);
        const float cast = std::exp(std::fmin(above_edge(upper, in_tooth, number), 0.0f) / CAST_1);
        const float shadow = 1 - CAST_0 * (1 - between(side * side, 0, 1)) * cast;
        const float light = across(skull.x) * shadow * hollow;
        const Colour cave = cavity(tongue, wide);
        return over(each([&](int c) { return cave.of[c] * light; }), lower_row(lower, wide, shade));
    }
    Colour cavity(Place place, float wide) const {
        const float side = between(std::fabs(aside(place.x)), 0, 1);
        const float throat = THROAT + (INNER_CHEEK - THROAT) * eased(between(side / 0.75f, 0, 1));
        const float below = place.y - (mouth.lower_middle - 0.008f - 0.050f * wide + 2.4f * place.x * place.x);
        const float groove = place.x / 0.010f;
        const float lit = 0.40f + 0.42f * eased(share(below, -0.004f, 0.050f)) - 0.05f * std::exp(-groove * groove);
        const float covers = share(below, -0.014f, 0.014f) * (1 - side * side);
        return each([&](int c) { return mouth.flesh[c] * (throat + (lit - throat) * covers); });
    }
    Layer lower_row(Place place, float wide, float shade) const {
        int number;
        const float in_tooth = tooth(place.x, LOWER, &number), square = in_tooth * in_tooth, side = 1.4f * aside(place.x);
        const float bare = LOWER_SHOWN * wide * positive(1 - side * side);
        const float end = mouth.lower_middle - bare - LOWER_ARCH * place.x * place.x + 0.5f * ROUND * square * square;
        const float lit = LOWER_LIGHT * rounded(place.x, in_tooth) * (0.86f + 0.14f * share(place.y - end, 0, 0.006f));
        return {shaded(shaded(mouth.teeth, lit), shade), bare > 0 ? edge(place.y - end) : 0};
    }
    Layer upper_row(Place place) const {
        int number;
        const float in_tooth = tooth(place.x, UPPER, &number), above = above_edge(place, in_tooth, number);
        const float gum = share(above - TALL + 0.010f * in_tooth * in_tooth, -0.003f, 0.003f);
        const Colour teeth = shaded(mouth.teeth, rounded(place.x, in_tooth) * (0.90f + 0.10f * share(above, 0, 0.012f)));
        return {over(teeth, {shaded(mouth.gums, rounded(place.x, 0)), gum}), edge(above)};
    }
    // The dark beside the photo's own teeth becomes cheek, as far as the mouth opens.
    Layer as_lit(const Layer& own, float light) const {
        const float dark = (1 - likeness(own.colour)) * wide_open, lit = INNER_CHEEK * across(skull.x);
        const Colour cheek = toned(each([&](int c) { return mouth.flesh[c] * lit; }));
        return {shaded(each([&](int c) { return own.colour.of[c] + positive(cheek.of[c] - own.colour.of[c]) * dark; }), light), own.covers};
    }
    Layer own_upper(Place place, float raised) const {
        const float x = within(place.x), y = place.y;
        const Column at = column(place.x), shown_at = column(x);
        const float beyond = 1 - edge(mouth.half_width - std::fabs(place.x) + mouth.pixel), above = positive(at.upper - y);
        const float hidden = STRETCH + AT_CORNERS * share(std::fabs(aside(place.x)), 0.7f, 1.0f);
        const float covers = positive(1 - above / hidden) * edge(at.bite - y) * (1 - parts * beyond);
        const float rim_of_lip = shown_at.upper + (raised < LIP_RIM ? raised : LIP_RIM);
        const Colour seen = sample(x, std::fmin(std::fmax(y, rim_of_lip), shown_at.lower));
        const float even = share(above, 0, EVENS), rim = 1 - share(shown_at.bite - y, 0, LIP_AT_BITE);
        const Colour colour = each([&](int c) { return seen.of[c] + (shown_at.rim[c] - seen.of[c]) * even; });
        return {colour, covers * (1 - parts * (1 - likeness(colour) * (1 - rim * (1 - paleness(colour)))))};
    }
    Layer own_lower(Place place) const {
        const float x = within(place.x), y = place.y;
        const Column at = column(place.x), shown_at = column(x);
        const float clings = opened * (1 - share(opened, CLINGS / 2, CLINGS));
        const float beyond = mouth.has_lower_teeth ? 1 - edge(mouth.half_width - std::fabs(place.x) + mouth.pixel) : 1;
        const float covers = edge(y - at.bite + mouth.pixel + clings) * (1 - parts * beyond);
        const Colour colour = sample(x, std::fmin(std::fmax(y, shown_at.bite), shown_at.lower));
        if (mouth.has_lower_teeth) return {colour, covers};
        const float tips = likeness(colour) * paleness(colour) * (1 - share(y - at.bite, TIPS, 2 * TIPS));
        return {colour, covers * (1 - tips * share(opened, CLINGS / 2, CLINGS))};
    }
    Layer inside_of_lip() const {
        const float far = share(above_lower, 0, ROLL), dim = 1 - (1 - ROLL_SHADE) * far;
        const Colour lip = sample(jaw.x, of_jaw.lower + ROLL_STARTS + std::fmin(above_lower, ROLL) / 2);
        const Colour flesh = toned(each([&](int c) { return CORNER_2 * mouth.flesh[c]; }));
        const float at_corner = share(std::fabs(aside(jaw.x)), CORNER_0, CORNER_1);
        return {each([&](int c) { return std::fmax(lip.of[c] * dim, flesh.of[c] * at_corner); }), (1 - far * far) * share(opened, 0, ROLL)};
    }
};

}  // namespace

// skull and jaw [count, 2] in photo coordinates, below_upper [count], slant [2] -> colours [count, 3].
void between_lips(const Mouth* mouth, const float* skull, const float* jaw, const float* below_upper, int64_t count, const float* slant,
                  float* colours) {
    auto local = [&](const float* at) -> Place {
        const float x = at[0] - mouth->middle[0], y = at[1] - mouth->middle[1];
        return {(x * mouth->axes[0][0] + y * mouth->axes[1][0]) / mouth->height, (x * mouth->axes[0][1] + y * mouth->axes[1][1]) / mouth->height};
    };
    float widest = 0;
    for (int64_t k = 0; k < count; k++) {
        const float opened = local(skull + 2 * k).y - local(jaw + 2 * k).y;
        widest = opened > widest ? opened : widest;
    }
    const float wide_open = share(widest, OPENS_0, OPENS_1);
    for (int64_t k = 0; k < count; k++) {
        const Colour colour = Pixel(*mouth, local(skull + 2 * k), local(jaw + 2 * k), below_upper[k], wide_open, slant)();
        for (int c = 0; c < 3; c++) colours[3 * k + c] = colour.of[c];
    }
}
