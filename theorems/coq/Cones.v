(* Simplicial cones with integer generators, cut into pieces by trees of edge bisections, and their images under the steps of a
   family. A piece is a simplicial cone by construction (`tree_sound`), so that no geometry has to be proved about it. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith FMapPositive Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent IntegerFamily.
Import ListNotations.
Open Scope R_scope.

(* ---------- cones ---------- *)
Record cone := Cone { generators : list (list Z); duals : list (list Z); scale : Z; form : list Z }.
(* simplicial subdivision: split edge (i,j) at g = (a e_i + b e_j)/s, or leaf with data *)
Inductive tree (X : Type) := Leaf (x : X) | Split (i j : nat) (a b s : Z) (t1 t2 : tree X).
Arguments Leaf {X}. Arguments Split {X}.

Fixpoint replace_at (i : nat) (g : list Z) (es : list (list Z)) : list (list Z) :=
  match es, i with nil, _ => nil | _ :: t, O => g :: t | h :: t, S i => h :: replace_at i g t end.
Definition weighted_ray (a b s : Z) (u v : list Z) : list Z :=
  map (fun uv => ((a * fst uv + b * snd uv) / s)%Z) (combine u v).
Definition weighted_ray_ok (a b s : Z) (u v g : list Z) : bool :=
  forallb (fun uvg => (a * fst (fst uvg) + b * snd (fst uvg) =? s * snd uvg)%Z) (combine (combine u v) g).

Section Check.
Variable d : nat.
Definition cone_ok (c : cone) : bool :=
  ((length (generators c) =? d)%nat && (length (duals c) =? d)%nat && (length (form c) =? d)%nat &&
   forallb (fun g => (length g =? d)%nat) (generators c) && forallb (fun g => (length g =? d)%nat) (duals c) &&
   (0 <? scale c)%Z && forallb (fun g => (0 <? dot (form c) g)%Z && forallb (fun n => (0 <=? dot n g)%Z) (duals c)) (generators c) &&
   forallb (fun i => forallb (fun j =>
     (zsum (map (fun gn => nth i (fst gn) 0 * nth j (snd gn) 0) (combine (generators c) (duals c))) =?
      (if Nat.eqb i j then scale c else 0))%Z) (seq 0 d)) (seq 0 d)).

Fixpoint tree_ok {X} (leaf : list (list Z) -> X -> bool) (es : list (list Z)) (t : tree X) : bool :=
  match t with
  | Leaf x => leaf es x
  | Split i j a b s t1 t2 =>
      let ei := nth i es nil in let ej := nth j es nil in
      let g := weighted_ray a b s ei ej in
      (i <? d)%nat && (j <? d)%nat && negb (i =? j)%nat && (0 <? a)%Z && (0 <? b)%Z && (0 <? s)%Z &&
      weighted_ray_ok a b s ei ej g && tree_ok leaf (replace_at i g es) t1 && tree_ok leaf (replace_at j g es) t2
  end.

Lemma replace_at_length i g es : length (replace_at i g es) = length es.
Proof. revert i. induction es; intros i; destruct i; simpl; auto. Qed.
Lemma nth_replace_at g : forall es i l, (i < length es)%nat -> nth l (replace_at i g es) nil = if Nat.eqb l i then g else nth l es nil.
Proof.
  induction es; intros i l Hi; simpl in Hi; [lia|].
  destruct i; destruct l; simpl; auto. apply IHes. lia.
Qed.

Lemma weighted_ray_spec a b s u v g : weighted_ray_ok a b s u v g = true -> forall k, length u = d -> length v = d -> length g = d ->
  (k < d)%nat -> IZR a * IZR (nth k u 0%Z) + IZR b * IZR (nth k v 0%Z) = IZR s * IZR (nth k g 0%Z).
Proof.
  intros H k Hu Hv Hg Hk. unfold weighted_ray_ok in H. rewrite forallb_forall in H.
  assert (Hin : In (nth k (combine (combine u v) g) (0%Z, 0%Z, 0%Z)) (combine (combine u v) g)).
  { apply nth_In. rewrite !combine_length. lia. }
  specialize (H _ Hin). rewrite combine_nth in H by (rewrite combine_length; lia).
  rewrite combine_nth in H by lia. simpl in H. apply Z.eqb_eq in H.
  rewrite <- !mult_IZR, <- plus_IZR. now rewrite H.
Qed.

Definition sized (es : list (list Z)) := length es = d /\ forall j, (j < d)%nat -> length (nth j es nil) = d.

Lemma weighted_ray_length a b s u v : length u = d -> length v = d -> length (weighted_ray a b s u v) = d.
Proof. intros. unfold weighted_ray. rewrite map_length, combine_length. lia. Qed.

Lemma sized_replace_at i g es : sized es -> (i < d)%nat -> length g = d -> sized (replace_at i g es).
Proof.
  intros [H1 H2] Hi Hg. split. now rewrite replace_at_length.
  intros j Hj. rewrite nth_replace_at by lia. destruct (Nat.eqb j i); auto.
Qed.

(* replacing e_i by g: if s_i/a <= s_j/b *)
Lemma split_half i j a b s es (c : nat -> R) g : (i < d)%nat -> (j < d)%nat -> i <> j -> sized es -> length g = d ->
  0 < a -> 0 < b -> 0 < s ->
  (forall k, (k < d)%nat -> a * IZR (nth k (nth i es nil) 0%Z) + b * IZR (nth k (nth j es nil) 0%Z) = s * IZR (nth k g 0%Z)) ->
  (forall l, (l < d)%nat -> 0 <= c l) -> c i * b <= c j * a ->
  exists c', (forall l, (l < d)%nat -> 0 <= c' l) /\ vec_eq d (lincomb d c es) (lincomb d c' (replace_at i g es)).
Proof.
  intros Hi Hj Hij [Hl1 Hl2] Hg Ha Hb Hs HE Hc Hcc.
  exists (fun l => if Nat.eqb l i then c i * s / a else if Nat.eqb l j then c j - b * c i / a else c l).
  split.
  - intros l Hl. destruct (Nat.eqb l i). apply Rmult_le_pos; [apply Rmult_le_pos; auto; lra | left; apply Rinv_0_lt_compat; auto].
    destruct (Nat.eqb l j); auto.
    apply Rmult_le_reg_r with a; auto. replace ((c j - b * c i / a) * a) with (c j * a - c i * b) by (field; lra). lra.
  - intros k Hk. apply (rsum_two_terms d _ _ i j); auto.
    + intros l Hl Hli Hlj. rewrite nth_replace_at by lia.
      destruct (Nat.eqb_spec l i); [congruence|]. destruct (Nat.eqb_spec l j); [congruence|]. reflexivity.
    + rewrite !nth_replace_at by lia. rewrite !Nat.eqb_refl.
      destruct (Nat.eqb_spec j i); [congruence|].
      specialize (HE k Hk).
      replace (c i * s / a * IZR (nth k g 0%Z)) with (c i / a * (s * IZR (nth k g 0%Z))) by (field; lra).
      rewrite <- HE. field. lra.
Qed.

Lemma tree_sound {X} (leaf : list (list Z) -> X -> bool) : forall t es, tree_ok leaf es t = true -> sized es ->
  forall c, (forall l, (l < d)%nat -> 0 <= c l) ->
  exists es' x c', leaf es' x = true /\ sized es' /\ (forall l, (l < d)%nat -> 0 <= c' l) /\
     vec_eq d (lincomb d c es) (lincomb d c' es').
Proof.
  induction t as [x | i j a b s t1 IH1 t2 IH2]; intros es Hok Hl c Hc.
  - exists es, x, c. repeat split; auto; try apply Hl.
  - simpl in Hok. rewrite !andb_true_iff in Hok.
    destruct Hok as [[[[[[[[Hi Hj] Hij] Ha] Hb] Hs] Hg] H1] H2].
    apply Nat.ltb_lt in Hi, Hj. apply negb_true_iff, Nat.eqb_neq in Hij.
    apply Z.ltb_lt in Ha, Hb, Hs. apply IZR_lt in Ha, Hb, Hs.
    set (g := weighted_ray a b s (nth i es nil) (nth j es nil)) in *.
    assert (Hgl : length g = d) by (apply weighted_ray_length; apply Hl; auto).
    assert (HE := fun k Hk => weighted_ray_spec _ _ _ _ _ _ Hg k (proj2 Hl i Hi) (proj2 Hl j Hj) Hgl Hk).
    destruct (Rle_lt_dec (c i * IZR b) (c j * IZR a)) as [Hle|Hlt].
    + destruct (split_half i j (IZR a) (IZR b) (IZR s) es c g) as [c' [Hc' Hv]]; auto.
      destruct (IH1 _ H1 (sized_replace_at i g es Hl Hi Hgl) c' Hc') as [es' [x [c'' [A1 [A2 [A3 A4]]]]]].
      exists es', x, c''. repeat split; auto; try apply A2. intros k Hk. rewrite (Hv k Hk). auto.
    + destruct (split_half j i (IZR b) (IZR a) (IZR s) es c g) as [c' [Hc' Hv]]; auto.
      intros k Hk. rewrite <- (HE k Hk). lra. lra.
      destruct (IH2 _ H2 (sized_replace_at j g es Hl Hj Hgl) c' Hc') as [es' [x [c'' [A1 [A2 [A3 A4]]]]]].
      exists es', x, c''. repeat split; auto; try apply A2. intros k Hk. rewrite (Hv k Hk). auto.
Qed.

(* ---------- cones: dual description gives generator description ---------- *)
Definition in_dual (c : cone) (v : vec) := forall i, (i < d)%nat -> 0 <= functional d (nth i (duals c) nil) v.

Lemma cone_facts c : cone_ok c = true ->
  sized (generators c) /\ sized (duals c) /\ length (form c) = d /\ (0 < IZR (scale c)) /\
  (forall l, (l < d)%nat -> (1 <= dot (form c) (nth l (generators c) nil))%Z /\
     forall k, (k < d)%nat -> (0 <= dot (nth k (duals c) nil) (nth l (generators c) nil))%Z) /\
  (forall i j, (i < d)%nat -> (j < d)%nat ->
     rsum d (fun m => IZR (nth i (nth m (generators c) nil) 0%Z) * IZR (nth j (nth m (duals c) nil) 0%Z)) =
     if Nat.eqb i j then IZR (scale c) else 0).
Proof.
  unfold cone_ok. rewrite !andb_true_iff. intros [[[[[[[H1 H2] H3] H4] H5] H6] H7] H8].
  apply Nat.eqb_eq in H1, H2, H3. apply Z.ltb_lt in H6. rewrite forallb_forall in H4, H5, H7, H8.
  split; [|split; [|split; [auto|split; [|split]]]].
  - split; auto. intros j Hj. apply Nat.eqb_eq. apply H4. apply nth_In. lia.
  - split; auto. intros j Hj. apply Nat.eqb_eq. apply H5. apply nth_In. lia.
  - apply IZR_lt in H6. auto.
  - intros l Hl. assert (In (nth l (generators c) nil) (generators c)) by (apply nth_In; lia).
    specialize (H7 _ H). apply andb_true_iff in H7. destruct H7 as [H7 H9]. apply Z.ltb_lt in H7. split; [lia|].
    intros k Hk. rewrite forallb_forall in H9. apply Z.leb_le. apply H9. apply nth_In; lia.
  - intros i j Hi Hj. specialize (H8 i ltac:(apply in_seq; lia)). rewrite forallb_forall in H8.
    specialize (H8 j ltac:(apply in_seq; lia)). apply Z.eqb_eq in H8.
    assert (E : IZR (zsum (map (fun gn => (nth i (fst gn) 0 * nth j (snd gn) 0)%Z) (combine (generators c) (duals c)))) =
                if Nat.eqb i j then IZR (scale c) else 0) by (rewrite H8; destruct (Nat.eqb i j); reflexivity).
    rewrite zsum_rsum, map_length, combine_length, H1, H2, Nat.min_id in E. rewrite <- E.
    apply rsum_ext; intros k Hk.
    set (F := fun gn : list Z * list Z => (nth i (fst gn) 0 * nth j (snd gn) 0)%Z).
    rewrite (nth_indep (map F (combine (generators c) (duals c))) 0%Z (F (nil, nil))) by (rewrite map_length, combine_length; lia).
    rewrite map_nth. rewrite combine_nth by lia. unfold F; simpl. now rewrite mult_IZR.
Qed.

Lemma cone_spanned c v : cone_ok c = true -> in_dual c v ->
  exists s, (forall l, (l < d)%nat -> 0 <= s l) /\ vec_eq d v (lincomb d s (generators c)).
Proof.
  intros Hc Hv. destruct (cone_facts c Hc) as [Hg [Hdu [Hf [HD [_ HI]]]]].
  exists (fun l => functional d (nth l (duals c) nil) v / IZR (scale c)). split.
  - intros l Hl. apply Rmult_le_pos; [apply Hv; auto | left; apply Rinv_0_lt_compat; auto].
  - intros i Hi. unfold lincomb, functional.
    rewrite (rsum_ext d _ (fun m => rsum d (fun j => (IZR (nth i (nth m (generators c) nil) 0%Z) * IZR (nth j (nth m (duals c) nil) 0%Z)) * (v j / IZR (scale c))))).
    2:{ intros m Hm. unfold Rdiv. rewrite <- !rsum_scal_r. apply rsum_ext; intros; ring. }
    rewrite rsum_swap.
    rewrite (rsum_ext d _ (fun j => (if Nat.eqb i j then 1 else 0) * v j)).
    now rewrite rsum_delta.
    intros j Hj. rewrite rsum_scal_r, HI by auto. destruct (Nat.eqb i j); field; lra.
Qed.

(* A matrix is bounded by its images of the generators. *)
Definition generator (c : cone) (l : nat) : vec := fun k => IZR (nth k (nth l (generators c) nil) 0%Z).
Lemma frobenius_le_generators c : cone_ok c = true -> exists K, 0 <= K /\ forall M, frobenius d M <= K * rsum d (fun l => norm d (mulv d M (generator c l))).
Proof.
  intros Hc. destruct (cone_facts c Hc) as [_ [_ [_ [HD [_ HI]]]]].
  set (K := rsum d (fun j => rsum d (fun l => Rabs (IZR (nth j (nth l (duals c) nil) 0%Z)) / IZR (scale c) * INR d))).
  exists K. split.
  - apply rsum_nonneg; intros; apply rsum_nonneg; intros. apply Rmult_le_pos; [|apply pos_INR].
    apply Rmult_le_pos; [apply Rabs_pos | left; apply Rinv_0_lt_compat; auto].
  - intros M. eapply Rle_trans; [apply frobenius_le_columns|]. unfold K. rewrite <- rsum_scal_r. apply rsum_le; intros j Hj.
    eapply Rle_trans; [apply norm_le_sum|].
    apply Rle_trans with (rsum d (fun i => rsum d (fun l => Rabs (IZR (nth j (nth l (duals c) nil) 0%Z)) / IZR (scale c) * norm d (mulv d M (generator c l))))).
    + apply rsum_le; intros i Hi.
      assert (Ecol : M i j = rsum d (fun l => IZR (nth j (nth l (duals c) nil) 0%Z) / IZR (scale c) * mulv d M (generator c l) i)).
      { unfold mulv.
        rewrite (rsum_ext d _ (fun l => rsum d (fun k => (M i k / IZR (scale c)) * (IZR (nth k (nth l (generators c) nil) 0%Z) * IZR (nth j (nth l (duals c) nil) 0%Z))))).
        2:{ intros l Hl. rewrite <- rsum_scal. apply rsum_ext; intros k Hk. unfold generator. field. lra. }
        rewrite rsum_swap. rewrite (rsum_ext d _ (fun k => (if Nat.eqb j k then 1 else 0) * M i k)).
        now rewrite rsum_delta.
        intros k Hk. rewrite rsum_scal, HI by auto. rewrite (Nat.eqb_sym j k). destruct (Nat.eqb k j); field; lra. }
      rewrite Ecol. eapply Rle_trans; [apply rsum_abs|]. apply rsum_le; intros l Hl.
      unfold Rdiv. rewrite !Rabs_mult. rewrite (Rabs_right (/ IZR (scale c))).
      2:{ apply Rle_ge; left; apply Rinv_0_lt_compat; auto. }
      apply Rmult_le_compat_l. apply Rmult_le_pos; [apply Rabs_pos | left; apply Rinv_0_lt_compat; auto].
      apply norm_coordinate; auto.
    + rewrite rsum_const. 
      rewrite <- rsum_scal, <- rsum_scal_r.
      apply rsum_le; intros l Hl. 
      replace (INR d * (Rabs (IZR (nth j (nth l (duals c) nil) 0%Z)) / IZR (scale c) * norm d (mulv d M (generator c l)))) with
        (Rabs (IZR (nth j (nth l (duals c) nil) 0%Z)) / IZR (scale c) * INR d * norm d (mulv d M (generator c l))) by ring.
      apply Rmult_le_compat_l. apply Rmult_le_pos; [|apply pos_INR]. apply Rmult_le_pos; [apply Rabs_pos | left; apply Rinv_0_lt_compat; auto].
      apply (rsum_term_le d (fun l => norm d (mulv d M (generator c l)))); auto. intros; apply norm_nonneg.
Qed.

End Check.


(* ---------- numbered cones ---------- *)
Definition table (X : Type) := PositiveMap.t X.
Definition cone_table {X} (l : list X) : table X :=
  fst (fold_left (fun (acc : table X * positive) c => (PositiveMap.add (snd acc) c (fst acc), Pos.succ (snd acc))) l
        (PositiveMap.empty X, 1%positive)).
Lemma cone_table_find {X} (l : list X) k c : PositiveMap.find k (cone_table l) = Some c -> In c l.
Proof.
  unfold cone_table.
  assert (G : forall l E p, PositiveMap.find k (fst (fold_left (fun (acc : table X * positive) c => (PositiveMap.add (snd acc) c (fst acc), Pos.succ (snd acc))) l (E, p))) = Some c ->
     PositiveMap.find k E = Some c \/ In c l).
  { clear l. induction l as [|a l IH]; intros E p H; simpl in *; auto.
    apply IH in H. destruct H as [H|H]; auto.
    destruct (Pos.eq_dec k p) as [->|Hne].
    - rewrite PositiveMap.gss in H. injection H as ->. auto.
    - rewrite PositiveMap.gso in H by auto. auto. }
  intros H. apply G in H. destruct H as [H|H]; auto. rewrite PositiveMap.gempty in H. discriminate.
Qed.


(* ---------- images of pieces ---------- *)
Section Images.
Variable m : model.
Let d := dim m.
Hypothesis Hwf : well_formed m = true.

Definition target := (positive * bool)%type.
Definition signed_rows (b : branch) (t : target) := if snd t then rows b else map opposite (rows b).
Definition sign_of (t : target) : R := if snd t then 1 else -1.

Definition lands (E : table cone) (es : list (list Z)) (bt : branch * target) : bool :=
  match PositiveMap.find (fst (snd bt)) E with
  | None => false
  | Some c => let R := signed_rows (fst bt) (snd bt) in
      forallb (fun e => let w := image R e in forallb (fun n => (0 <=? dot n w)%Z) (duals c)) es
  end.
Definition image_value (E : table cone) (bt : branch * target) (e : list Z) : Z :=
  match PositiveMap.find (fst (snd bt)) E with
  | None => 0%Z
  | Some c => dot (form c) (image (signed_rows (fst bt) (snd bt)) e)
  end.

Lemma image_lincomb i es c' sg v t : (i < count m)%nat -> sized d es ->
  vec_eq d (fun k => sg * v k) (lincomb d c' es) ->
  let b := nth i (branches m) no_branch in
  vec_eq d (fun j => sign_of t * (sg * mulv d (step m i) v j))
        (lincomb d (fun l => c' l / IZR (denominator b)) (map (image (signed_rows b t)) es)).
Proof.
  intros Hi [Hl1 Hl2] Hv b j Hj.
  destruct (branch_facts m Hwf b (branch_in m i Hi)) as [HbP [Hbq [HbL HbR]]].
  assert (Hq : IZR (denominator b) <> 0) by (apply not_0_IZR; lia).
  unfold mulv. rewrite <- rsum_scal. rewrite <- rsum_scal. unfold lincomb.
  rewrite (rsum_ext d _ (fun k => sign_of t * (IZR (entry (rows b) j k) / IZR (denominator b)) * (sg * v k))).
  2:{ intros k Hk. unfold step. fold b. ring. }
  rewrite (rsum_ext d _ (fun k => rsum d (fun l => sign_of t * (IZR (entry (rows b) j k) / IZR (denominator b)) * (c' l * IZR (nth k (nth l es nil) 0%Z))))).
  2:{ intros k Hk. rewrite (Hv k Hk). unfold lincomb. now rewrite <- rsum_scal. }
  rewrite rsum_swap. apply rsum_ext; intros l Hl.
  rewrite (nth_map _ _ _ nil) by lia. unfold image.
  assert (HlenR : length (signed_rows b t) = d).
  { unfold signed_rows. destruct (snd t); rewrite ?map_length; auto. }
  rewrite (nth_map _ _ _ nil) by lia.
  assert (Hrow : forall k, (k < d)%nat -> IZR (nth k (nth j (signed_rows b t) nil) 0%Z) = sign_of t * IZR (entry (rows b) j k)).
  { intros k Hk. unfold signed_rows, sign_of, entry. destruct (snd t). ring.
    change nil with (opposite nil) at 1. rewrite map_nth. unfold opposite. change 0%Z with (- 0)%Z at 1. rewrite map_nth, opp_IZR. ring. }
  assert (Hrl : length (nth j (signed_rows b t) nil) = d).
  { unfold signed_rows. destruct (snd t). apply HbR; auto. change nil with (opposite nil) at 1. rewrite map_nth. unfold opposite. rewrite map_length. apply HbR; auto. }
  rewrite (dot_rsum d _ _ Hrl (Hl2 l Hl)).
  rewrite <- rsum_scal. apply rsum_ext; intros k Hk. rewrite Hrow by auto. field. auto.
Qed.

Lemma image_length b t e : In b (branches m) -> length (image (signed_rows b t) e) = d.
Proof. intros Hb. unfold image, signed_rows. rewrite map_length. destruct (snd t); rewrite ?map_length; apply (branch_facts m Hwf); auto. Qed.

Lemma functional_image i es c' sg v t f : (i < count m)%nat -> sized d es -> length f = d ->
  vec_eq d (fun k => sg * v k) (lincomb d c' es) ->
  let b := nth i (branches m) no_branch in
  sign_of t * sg * functional d f (mulv d (step m i) v) =
  rsum d (fun l => c' l / IZR (denominator b) * IZR (dot f (image (signed_rows b t) (nth l es nil)))).
Proof.
  intros Hi Hl Hf Hv b. pose proof (image_lincomb i es c' sg v t Hi Hl Hv) as H. cbv zeta in H. fold b in H.
  rewrite <- functional_scal.
  rewrite (functional_ext d f _ (lincomb d (fun l => c' l / IZR (denominator b)) (map (image (signed_rows b t)) es))).
  2:{ intros k Hk. rewrite <- (H k Hk). ring. }
  rewrite functional_lincomb; auto.
  - apply rsum_ext; intros l Hll. f_equal. f_equal. f_equal.
    rewrite (nth_map _ _ _ nil) by (destruct Hl; lia). reflexivity.
  - intros j Hj. rewrite (nth_map _ _ _ nil) by (destruct Hl; lia).
    apply image_length. apply (branch_in m); auto.
Qed.
End Images.
