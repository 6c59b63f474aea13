(* What an exported certificate uses: one theorem for each kind, from a computation to a claim about the exponent of a rational
   family, and short constructors. `holds r l v` unfolds to l < v, l <= v, v <= l or v < l. *)
From Coq Require Import Reals List ZArith QArith Bool Lia Arith.
From SgdVerify Require Export ExtendedReals RationalFamily Sgd Comparison Cones LinearCones PlanarForms Words EqualNorms.
From SgdVerify Require Import IntegerFamily Determinant Diagonal.
Import ListNotations.
Open Scope Z_scope.

Section Claims.
Variables (F : family) (r : relation) (w : effort) (v : Q).
Let m := to_model F.

Theorem by_linear_forms_lower x y ce : negb (upper r) && represents F m && check_lower m x y ce && implies r w x y (total_weight m) v = true -> holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff, negb_true_iff. intros [[[Hu HF] Hc] Hi]. apply (claim_from_bound r w x y (total_weight m) v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. exact (check_lower_sound m Hwf x y ce Hc).
Qed.
Theorem by_linear_forms_upper x y U ce : upper r && represents F m && check_upper m x y U ce && implies r w x y (total_weight m) v = true -> holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff. intros [[[Hu HF] Hc] Hi]. apply (claim_from_bound r w x y (total_weight m) v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. exact (check_upper_sound m Hwf x y U ce Hc).
Qed.
Theorem by_planar_forms q x y ce : represents F m && (dim m =? 2)%nat && (0 <? q)%nat && check_forms m q (upper r) x y ce && implies r w x y (Z.of_nat q * total_weight m) v = true ->
  holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff. intros [[[[HF Hd] Hq] Hc] Hi]. apply (claim_from_bound r w x y _ v _ Hi). rewrite (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. apply Nat.eqb_eq in Hd. apply Nat.ltb_lt in Hq.
  assert (E : form_log_ratio m q x y = log_bound x y (Z.of_nat q * total_weight m)).
  { unfold form_log_ratio, log_bound. now rewrite mult_IZR, <- INR_IZR_INZ. }
  rewrite <- E. destruct (upper r). exact (check_forms_upper_sound m Hwf Hd q Hq x y ce Hc). exact (check_forms_lower_sound m Hwf Hd q Hq x y ce Hc).
Qed.
Theorem by_words n g : upper r && represents F m && metric_ok (dim m) g && (0 <? n)%nat &&
  implies r w (words_upper m g n) (words_lower m g n) (2 * Z.of_nat n * total_weight m ^ Z.of_nat n) v = true -> holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff. intros [[[[Hu HF] Hg] Hn] Hi]. apply (claim_from_bound r w _ _ _ v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. apply Nat.ltb_lt in Hn. exact (words_bound m Hwf g Hg n Hn).
Qed.
Theorem by_determinant : negb (upper r) && represents F m && invertible_plane m && implies r w (determinants m) (squared_denominators m) (2 * total_weight m) v = true -> holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff, negb_true_iff. intros [[[Hu HF] Hd] Hi]. apply (claim_from_bound r w _ _ _ v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. exact (determinant_bound m Hwf Hd).
Qed.
Theorem by_diagonal_lower k : negb (upper r) && represents F m && diagonal_family m && (k <? dim m)%nat && all_nonzero (diagonal_entries m k) &&
  implies r w (coordinate_product m k) (denominator_product m) (total_weight m) v = true -> holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff, negb_true_iff. intros [[[[[Hu HF] Hd] Hk] Hz] Hi]. apply (claim_from_bound r w _ _ _ v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. apply Nat.ltb_lt in Hk. exact (diagonal_lower_bound m Hwf Hd k Hk Hz).
Qed.
Theorem by_diagonal_upper x y : upper r && represents F m && diagonal_family m && coordinates_below m x y && implies r w x y (total_weight m) v = true ->
  holds r (exponent F) v.
Proof.
  rewrite !andb_true_iff. intros [[[[Hu HF] Hd] Hc] Hi]. apply (claim_from_bound r w _ _ _ v _ Hi). rewrite Hu, (represents_exponent F m HF).
  unfold represents in HF. rewrite !andb_true_iff in HF. destruct HF as [[[[Hwf _] _] _] _]. exact (diagonal_upper_bound m Hwf Hd x y Hc).
Qed.
End Claims.

(* ---------- constructors ---------- *)
(* A cone of the plane: generators a and b, and the linear form that is positive on them where it matters (S4) *)
Definition plane (ax ay bx by_ : Z) (l : list Z) : cone :=
  let det := ax * by_ - ay * bx in let s := Z.sgn det in
  Cone [[ax; ay]; [bx; by_]] [[s * by_; - s * bx]; [- s * ay; s * ax]] (s * det) l.
(* A cone of the plane with a binary form (S5) *)
Definition form_plane (ax ay bx by_ : Z) (c : list Z) : form_cone :=
  let s := Z.sgn (ax * by_ - ay * bx) in (plane ax ay bx by_ [s * (by_ - ay); s * (ax - bx)], c).
(* Image cones: k for the k-th cone, counted from 1, -k for its negative *)
Definition aim (k : Z) : target := (Z.to_pos (Z.abs k), 0 <? k).
Definition to (ks : list Z) : tree (list target) := Leaf (map aim ks).
Definition to_with (ks us : list Z) (c : Z) : tree multipliers := Leaf (map aim ks, us, c).
Definition cut {X} (a b s : Z) (t1 t2 : tree X) : tree X := Split 0 1 a b s t1 t2.
