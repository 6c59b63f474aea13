(* Families in integers, on which certificates are checked by computation: the branch (P, q, rows) stands for the matrix rows / q
   with the probability P / (sum of all P). `RationalFamily.v` connects them with the rational families of the statements. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent.
Import ListNotations.
Open Scope R_scope.

Definition branch := (Z * Z * list (list Z))%type.
Record model := Model { dim : nat; branches : list branch }.
Definition weight (b : branch) : Z := fst (fst b).
Definition denominator (b : branch) : Z := snd (fst b).
Definition rows (b : branch) : list (list Z) := snd b.
Definition no_branch : branch := (1%Z, 1%Z, nil).
Definition zsum (l : list Z) : Z := fold_right Z.add 0%Z l.
Definition total_weight (m : model) : Z := zsum (map weight (branches m)).
Definition count (m : model) : nat := length (branches m).
Definition prob (m : model) (i : nat) : R := IZR (weight (nth i (branches m) no_branch)) / IZR (total_weight m).
Definition entry (r : list (list Z)) (j k : nat) : Z := nth k (nth j r nil) 0%Z.
Definition step (m : model) (i : nat) : mat :=
  fun j k => IZR (entry (rows (nth i (branches m) no_branch)) j k) / IZR (denominator (nth i (branches m) no_branch)).

(* The exponent of the family *)
Definition model_exponent (m : model) : extended := lyapunov (dim m) (count m) (prob m) (step m).

Definition well_formed_branch (d : nat) (b : branch) : bool :=
  (0 <? weight b)%Z && (0 <? denominator b)%Z && (length (rows b) =? d)%nat && forallb (fun r => (length r =? d)%nat) (rows b).
Definition well_formed (m : model) : bool :=
  (0 <? dim m)%nat && (0 <? count m)%nat && forallb (well_formed_branch (dim m)) (branches m).

Definition dot (f e : list Z) : Z := (fix dz (f e : list Z) : Z := match f, e with a :: f, b :: e => a * b + dz f e | _, _ => 0 end)%Z f e.
Definition image (rows : list (list Z)) (e : list Z) : list Z := map (fun r => dot r e) rows.
Definition opposite (e : list Z) := map Z.opp e.

Lemma dot_cons a f b e : dot (a :: f) (b :: e) = (a * b + dot f e)%Z. Proof. reflexivity. Qed.

(* functional with integer coefficients on a real vector *)
Section Dim.
Variable d : nat.
Definition functional (f : list Z) (v : vec) : R := rsum d (fun i => IZR (nth i f 0%Z) * v i).
Definition lincomb (n : nat) (s : nat -> R) (es : list (list Z)) : vec :=
  fun i => rsum n (fun j => s j * IZR (nth i (nth j es nil) 0%Z)).
End Dim.

Lemma nth_map {X Y} (f : X -> Y) l k dx dy : (k < length l)%nat -> nth k (map f l) dy = f (nth k l dx).
Proof. intros. rewrite (nth_indep _ dy (f dx)) by (rewrite map_length; auto). apply map_nth. Qed.

Lemma dot_rsum : forall d f e, length f = d -> length e = d ->
  IZR (dot f e) = rsum d (fun i => IZR (nth i f 0%Z) * IZR (nth i e 0%Z)).
Proof.
  induction d; intros f e Hf He; destruct f, e; try discriminate. reflexivity.
  rewrite dot_cons, plus_IZR, mult_IZR, rsum_shift. simpl in Hf, He. rewrite (IHd f e) by lia.
  simpl. reflexivity.
Qed.

Lemma functional_lincomb d n f s es : length f = d -> (forall j, (j < n)%nat -> length (nth j es nil) = d) ->
  functional d f (lincomb n s es) = rsum n (fun j => s j * IZR (dot f (nth j es nil))).
Proof.
  intros Hf He. unfold functional, lincomb.
  rewrite (rsum_ext d _ (fun i => rsum n (fun j => s j * (IZR (nth i f 0%Z) * IZR (nth i (nth j es nil) 0%Z))))).
  2:{ intros i Hi. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. apply rsum_ext; intros j Hj. rewrite rsum_scal. f_equal.
  rewrite (dot_rsum d); auto.
Qed.
Lemma functional_ext d f u v : vec_eq d u v -> functional d f u = functional d f v.
Proof. intros H. apply rsum_ext; intros i Hi. now rewrite H. Qed.
Lemma functional_scal d f c v : functional d f (fun i => c * v i) = c * functional d f v.
Proof. unfold functional. rewrite <- rsum_scal. apply rsum_ext; intros; ring. Qed.

Lemma zsum_rsum : forall (l : list Z), IZR (zsum l) = rsum (length l) (fun i => IZR (nth i l 0%Z)).
Proof. induction l. reflexivity. simpl length. rewrite rsum_shift. simpl. rewrite plus_IZR, IHl. reflexivity. Qed.

(* ---------- logarithms of products with weights ---------- *)
Fixpoint weighted_product (bs : list branch) (Ls : list Z) : Z :=
  match bs, Ls with b :: bs, l :: Ls => (l ^ (weight b) * weighted_product bs Ls)%Z | _, _ => 1%Z end.
Lemma weighted_product_pos : forall bs Ls, (forall b, In b bs -> (0 < weight b)%Z) -> (forall l, In l Ls -> (0 < l)%Z) -> (0 < weighted_product bs Ls)%Z.
Proof.
  induction bs as [|b bs IH]; intros [|l Ls] Hb Hl; cbn [weighted_product]; try lia.
  assert (HbP : (0 < weight b)%Z) by (apply Hb; left; auto).
  assert (0 < l ^ weight b)%Z. { apply Z.pow_pos_nonneg. apply Hl; left; auto. lia. }
  assert (0 < weighted_product bs Ls)%Z. { apply IH. intros; apply Hb; right; auto. intros; apply Hl; right; auto. }
  apply Z.mul_pos_pos; auto.
Qed.
Lemma ln_weighted_product : forall bs Ls, length Ls = length bs -> (forall b, In b bs -> (0 < weight b)%Z) -> (forall l, In l Ls -> (0 < l)%Z) ->
  ln (IZR (weighted_product bs Ls)) = rsum (length bs) (fun i => IZR (weight (nth i bs no_branch)) * ln (IZR (nth i Ls 0%Z))).
Proof.
  induction bs as [|b bs IH]; intros [|l Ls] He Hb Hl; try discriminate.
  - simpl. apply ln_1.
  - assert (HbP : (0 < weight b)%Z) by (apply Hb; left; auto).
    assert (Hl0 : (0 < l)%Z) by (apply Hl; left; auto).
    cbn [length]. rewrite rsum_shift. cbn [nth weighted_product]. rewrite mult_IZR, ln_mult.
    + rewrite ln_Zpow by lia. rewrite IH; auto. intros; apply Hb; right; auto. intros; apply Hl; right; auto.
    + apply IZR_lt. apply Z.pow_pos_nonneg; lia.
    + apply IZR_lt. apply weighted_product_pos. intros; apply Hb; right; auto. intros; apply Hl; right; auto.
Qed.

Section Model.
Variable m : model.
Let d := dim m.
Hypothesis Hwf : well_formed m = true.

Lemma dim_pos : (0 < d)%nat. Proof. unfold well_formed in Hwf. rewrite !andb_true_iff in Hwf. apply Nat.ltb_lt. apply Hwf. Qed.
Lemma count_pos : (0 < count m)%nat. Proof. unfold well_formed in Hwf. rewrite !andb_true_iff in Hwf. apply Nat.ltb_lt. apply Hwf. Qed.
Lemma branch_facts b : In b (branches m) -> (0 < weight b)%Z /\ (0 < denominator b)%Z /\ length (rows b) = d /\ (forall j, (j < d)%nat -> length (nth j (rows b) nil) = d).
Proof.
  intros Hb. unfold well_formed in Hwf. rewrite !andb_true_iff in Hwf. destruct Hwf as [_ H]. rewrite forallb_forall in H.
  specialize (H b Hb). unfold well_formed_branch in H. rewrite !andb_true_iff in H. destruct H as [[[H1 H2] H3] H4].
  apply Z.ltb_lt in H1, H2. apply Nat.eqb_eq in H3. rewrite forallb_forall in H4. fold d in H3, H4.
  repeat split; auto. intros j Hj. apply Nat.eqb_eq. apply H4. apply nth_In. lia.
Qed.
Lemma branch_in i : (i < count m)%nat -> In (nth i (branches m) no_branch) (branches m).
Proof. intros; apply nth_In; auto. Qed.
Lemma total_weight_pos : (0 < total_weight m)%Z.
Proof.
  pose proof count_pos. unfold count in H. unfold total_weight.
  assert (G : forall l, (forall b, In b l -> (0 < weight b)%Z) -> (0 <= zsum (map weight l))%Z /\ (l <> nil -> (0 < zsum (map weight l))%Z)).
  { induction l as [|b l IH]; intros Hl. simpl; split; [lia|congruence].
    pose proof (Hl b (or_introl eq_refl)). destruct IH as [IH1 _]. intros; apply Hl; right; auto. simpl. split; intros; lia. }
  apply G. intros; apply branch_facts; auto. intros E. rewrite E in H. simpl in H; lia.
Qed.
Lemma model_probability : probability (count m) (prob m).
Proof.
  pose proof total_weight_pos as HP. apply IZR_lt in HP. split.
  - intros i Hi. unfold prob. apply Rdiv_lt_0_compat; auto. apply IZR_lt. apply branch_facts. apply branch_in; auto.
  - unfold prob. unfold Rdiv. rewrite rsum_scal_r.
    replace (rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)))) with (IZR (total_weight m)). apply Rinv_r; lra.
    unfold total_weight. rewrite zsum_rsum, map_length. apply rsum_ext; intros i Hi.
    now rewrite (nth_map _ _ _ no_branch) by auto.
Qed.

Definition denominator_product : Z := weighted_product (branches m) (map denominator (branches m)).

Lemma functional_bound f v : Rabs (functional d f v) <= rsum d (fun i => Rabs (IZR (nth i f 0%Z))) * norm d v.
Proof.
  unfold functional. eapply Rle_trans; [apply rsum_abs|]. rewrite <- rsum_scal_r. apply rsum_le; intros i Hi.
  rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos | apply norm_coordinate; auto].
Qed.

Lemma ln_denominator_product : ln (IZR denominator_product) = rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch)))).
Proof.
  unfold denominator_product. rewrite ln_weighted_product.
  - apply rsum_ext; intros i Hi. now rewrite (nth_map _ _ _ no_branch) by auto.
  - apply map_length.
  - intros; apply branch_facts; auto.
  - intros l Hl. apply in_map_iff in Hl. destruct Hl as [b [<- Hb]]. apply branch_facts; auto.
Qed.
Lemma denominator_product_pos : (0 < denominator_product)%Z.
Proof.
  apply weighted_product_pos. intros; apply branch_facts; auto.
  intros l Hl. apply in_map_iff in Hl. destruct Hl as [b [<- Hb]]. apply branch_facts; auto.
Qed.

Definition log_ratio (rn rd : Z) : R := (ln (IZR rn) - ln (IZR rd)) / IZR (total_weight m).

End Model.

