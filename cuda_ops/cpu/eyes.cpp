// An eye, as Eye of real3d_core/analytic/eyes.py paints it, with its Eyeball and its Lid (change both; where they differ that one is used, which
// takes five times as long, and test_eyes.py fails); eyes_extension.py puts this text behind colours.h, the numbers of those files, in
// capitals, and the sizes that the structs have in Python.

extern "C" {

// What is in a pixel's own place; lengths are in widths of the eye. The same fields as in eyes_extension.py.
struct Pixel {
    float down, top, bottom, arch, fold, roots, ends, frame, covered, rim, opacity;
    float picture[3], white[3], glint[3], most[3], skin[3];
};

// Of a photo. The same fields as in eyes_extension.py.
struct Eye {
    const Pixel* pixels;                                              // [height, width]
    const float *picture, *bare, *shadow, *light, *lashed, *iris, *hairs;  // [height, width, 3]; the iris 4: premultiplied, and its opacity; hairs 1
    int32_t height, width;
    float across, below[2], soft, lash[3], tint[3];                         // from corner to corner in pixels; the eye's own down in the picture
};

// The same fields as in eyes_extension.py.
struct Pose {
    float right, down, closed, raised, drawn;
};

static_assert(sizeof(Pixel) == PIXEL_BYTES && sizeof(Eye) == EYE_BYTES && sizeof(Pose) == POSE_BYTES, "eyes_extension.py has other fields");

void paint_eye(const Eye* eye, const Pose* pose, float* painted);
}

namespace {

template <int CHANNELS>
struct Values {
    float of[CHANNELS];
};

inline float hill(float place, float height, float middle, float breadth) {
    const float off = (place - middle) / breadth;
    return height * std::exp(-off * off);
}
inline Colour colour(const float* of) { return {{of[0], of[1], of[2]}}; }

// With light added, which makes nothing brighter than `most` but leaves what is.
inline Colour lit(const Colour& plain, const Colour& light, const Colour& most) {
    return each([&](int c) { return std::fmax(plain.of[c], std::fmin(most.of[c], plain.of[c] + light.of[c])); });
}

// A picture's values at a place; beyond its border it goes on, or there is nothing.
template <int CHANNELS>
inline Values<CHANNELS> sample(const float* picture, int32_t height, int32_t width, float x, float y, bool goes_on) {
    x = between(x, -1, width);
    y = between(y, -1, height);
    const int32_t left = static_cast<int32_t>(x + 1) - 1, above = static_cast<int32_t>(y + 1) - 1;
    const float right_part = x - left, lower_part = y - above;
    Values<CHANNELS> value = {};
    for (int corner = 0; corner < 4; corner++) {
        int32_t column = left + corner % 2, row = above + corner / 2;
        const bool inside = column >= 0 && column < width && row >= 0 && row < height;
        if (!inside && !goes_on) continue;
        column = column < 0 ? 0 : column < width ? column : width - 1;
        row = row < 0 ? 0 : row < height ? row : height - 1;
        const float part = (corner % 2 ? right_part : 1 - right_part) * (corner / 2 ? lower_part : 1 - lower_part);
        const float* const at = picture + CHANNELS * (static_cast<int64_t>(row) * width + column);
        for (int c = 0; c < CHANNELS; c++) value.of[c] += part * at[c];
    }
    return value;
}

class Painter {
  public:
    Painter(const Eye& eye, const Pose& pose)
        : eye(eye), pose(pose), left(eased(share(std::fabs(pose.closed), 0, LEAVES))), length(lash_length(pose.closed)) {}

    Colour operator()(int32_t x, int32_t y) const {
        const Pixel& at = eye.pixels[static_cast<int64_t>(y) * eye.width + x];
        if (at.frame >= 1) return colour(at.picture);
        const float bottom = at.bottom - pose.raised * (at.bottom - at.top);
        const float edge = at.top + pose.closed * (bottom - at.top + positive(pose.closed) * HANG * at.arch);
        const float on_ball = covers(at.down - edge), shows = (1 - covers(at.down - bottom)) * between((at.bottom - at.top) / eye.soft, 0, 1);
        Colour painted = {};
        if (on_ball > 0) {
            if (shows < 1) painted = below(at, x, y, bottom);
            if (shows > 0) painted = mixed(painted, ball(at, x, y, edge, bottom), shows);
        }
        if (on_ball < 1) painted = mixed(lid(at, x, y, edge), painted, on_ball);
        painted = mixed(with_lashes(painted, at, x, y, edge), colour(at.picture), at.frame);
        return each([&](int c) { return between(painted.of[c], 0, 1); });
    }

  private:
    const Eye& eye;
    const Pose& pose;
    const float left, length;

    static float lash_length(float closed) {
        const float tip = 1 - TURNS * closed;
        return tip > 0 ? std::fmax(tip, SHORTEST) : between(tip, -1, -SHORTEST);
    }
    float covers(float distance) const { return between(distance / eye.soft + 0.5f, 0, 1); }

    // The picture's values so much further down.
    Colour pulled(const float* picture, int32_t x, int32_t y, float down) const {
        if (down == 0) return colour(picture + 3 * (static_cast<int64_t>(y) * eye.width + x));
        const float way = down * eye.across;
        return colour(sample<3>(picture, eye.height, eye.width, x + way * eye.below[0], y + way * eye.below[1], true).of);
    }
    // Eyeball, with Eye._shaded.
    Colour ball(const Pixel& at, int32_t x, int32_t y, float edge, float bottom) const {
        const Values<4> iris = sample<4>(eye.iris, eye.height, eye.width, x - pose.right, y - pose.down, false);
        const float on_iris = between(iris.of[3] / at.opacity, 0, 1);
        const Colour plain = each([&](int c) { return iris.of[c] + (1 - iris.of[3]) * at.white[c]; });
        const Colour even = lit(plain, each([&](int c) { return at.glint[c] * on_iris; }), colour(at.most));
        const float within = (at.down - edge) / std::fmax(bottom - edge, 1e-3f);
        const float source = at.down > edge ? at.top + within * (at.bottom - at.top) : at.down - (edge - at.top);
        const float down = at.down > bottom ? at.bottom - bottom : source - at.down;
        const Colour shadow = pulled(eye.shadow, x, y, down);
        const Colour dim = each([&](int c) { return (even.of[c] + DARKEN) * shadow.of[c] - DARKEN; });
        const Colour shaded = lit(dim, pulled(eye.light, x, y, down), pulled(eye.lashed, x, y, down));
        return each([&](int c) { return shaded.of[c] * (1 - SHADE * pose.drawn * at.arch); });
    }
    // Lid.below.
    Colour below(const Pixel& at, int32_t x, int32_t y, float bottom) const {
        const float raised = (at.bottom - bottom) * between(1 - (at.down - bottom) / SETTLES, 0, 1);
        return mixed(pulled(eye.picture, x, y, raised), colour(at.skin), at.rim * pose.drawn);
    }
    // Lid.skin.
    Colour lid(const Pixel& at, int32_t x, int32_t y, float edge) const {
        const float above = edge - at.down, travel = edge - at.top;
        const float stretched = LASHES + (above - LASHES) * (at.fold - LASHES) / std::fmax(at.fold - LASHES + travel, 0.02f);
        const float source = above < LASHES ? above : stretched, down = above < at.fold + travel ? above - source - travel : 0;
        Colour moved = left < 1 ? pulled(eye.picture, x, y, down) : Colour{};
        if (left > 0) moved = mixed(moved, pulled(eye.bare, x, y, down), left);
        if (pose.drawn == 0) return moved;
        float light = hill(above, BULGE_0, BULGE_1, BULGE_2) - ROUND_0 * std::exp(-positive(above) / ROUND_1);
        light = (light - hill(at.top - at.down, SINKS_0, SINKS_1, SINKS_2)) * at.arch;
        return mixed(moved, each([&](int c) { return at.skin[c] * (1 + light * eye.tint[c] * at.covered); }), pose.drawn);
    }
    // Lid.lashes.
    Colour with_lashes(const Colour& picture, const Pixel& at, int32_t x, int32_t y, float edge) const {
        const float above = edge - at.down, beside = above / length, off = above / LINE;
        float line = at.roots * pose.drawn * std::exp(-off * off);
        if (beside > 0 && left > 0) {
            const float way = (at.top - beside - at.down) * eye.across;
            const float hair = sample<1>(eye.hairs, eye.height, eye.width, x + way * eye.below[0], y + way * eye.below[1], true).of[0];
            line = std::fmax(line, hair * left * (1 - pose.drawn * (1 - FANNED)) * (1 - left * (1 - at.ends)));
        }
        return mixed(picture, colour(eye.lash), line);
    }
};

}  // namespace

// painted [height, width, 3].
void paint_eye(const Eye* eye, const Pose* pose, float* painted) {
    const Painter painter(*eye, *pose);
    for (int32_t y = 0; y < eye->height; y++)
        for (int32_t x = 0; x < eye->width; x++, painted += 3) {
            const Colour made = painter(x, y);
            for (int c = 0; c < 3; c++) painted[c] = made.of[c];
        }
}
