package seed

// Analyzed is the event whose issue comes with an analysis, and its project:
// whoever can read the id can send another by it.
func Analyzed() (project int64, eventID string) {
	return checkout().ID, digest(32, "acme-outdoors", "checkout-api", "fault 0", 0)
}

// Analysis is a finished one, written by hand, as Sentry's Seer would hand it
// out. It says what it is: nobody should take it for more.
func Analysis() map[string]any {
	return object{
		"run_id": 1, "status": "completed",
		"blocks": []any{object{"artifacts": []any{
			object{"key": "root_cause", "data": object{
				"one_line_description": "Sample analysis, written by hand: ApplyCoupon follows the first coupon of a list that can be empty.",
				"five_whys": []any{
					"Orders fail because ApplyCoupon panics.",
					"It panics because First returns nil for a list without coupons.",
					"The list is empty because stacked coupons are taken out of the cart before they are priced.",
					"They are taken out first since checkout-api@2.8.0, which lets coupons be stacked.",
					"No test of that change has a cart whose coupons were all taken out.",
				},
				"reproduction_steps": []any{"Put a tent into the cart.", "Apply two coupons that may be stacked.", "Place the order: POST /orders answers 500."},
			}},
			object{"key": "solution", "data": object{
				"one_line_summary": "Sample analysis, written by hand: price a cart without coupons at its full price, and stack coupons without taking them out.",
				"steps": []any{
					object{"title": "Return early", "description": "In pricing/coupon.go, return the undiscounted total when there are no coupons."},
					object{"title": "Keep the coupons", "description": "Mark stacked coupons as used after the total is computed, not before."},
					object{"title": "Test it", "description": "Add a test of a cart with two stacked coupons, and one of a cart with none."},
				},
			}},
		}}},
	}
}
