(* Fact E3: the exponent of a family of diagonal matrices, such as the steps of SGD with orthogonal gradients, is the largest of the exponents
   E ln |a_kk| of the coordinates. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Sandwich EnergyNorm IntegerFamily Comparison.
Import ListNotations.
Open Scope R_scope.

Section Diagonal.
Variables (d N : nat) (p : nat -> R) (A : nat -> mat).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Hypothesis Hdiagonal : forall i j k, (i < N)%nat -> (j < d)%nat -> (k < d)%nat -> j <> k -> A i j k = 0.

(* v = y e_k or - y e_k *)
Definition along (k : nat) (v : vec) (y : R) : Prop := 0 < y /\ (vec_eq d v (fun j => y * basis k j) \/ vec_eq d v (fun j => - y * basis k j)).

Lemma basis_image i k c : (i < N)%nat -> (k < d)%nat -> vec_eq d (mulv d (A i) (fun j => c * basis k j)) (fun j => c * A i k k * basis k j).
Proof.
  intros Hi Hk j Hj. unfold mulv, basis. rewrite (rsum_ext d _ (fun l => (if Nat.eqb k l then 1 else 0) * (c * A i j l))).
  2:{ intros l _. rewrite (Nat.eqb_sym l k). destruct (Nat.eqb k l); ring. }
  rewrite rsum_delta by auto. destruct (Nat.eqb_spec j k). subst; ring. rewrite Hdiagonal by auto. ring.
Qed.
Lemma along_norm k v y : (k < d)%nat -> along k v y -> norm d v = y.
Proof.
  intros Hk [Hy H].
  assert (G : forall c, norm d (fun j => c * basis k j) = Rabs c).
  { intros c. unfold norm. rewrite (rsum_ext d _ (fun j => c ^ 2 * basis k j ^ 2)) by (intros; ring).
    rewrite rsum_scal. pose proof (norm_basis d k Hk) as E. unfold norm in E.
    assert (Hs : rsum d (fun j => basis k j ^ 2) = 1).
    { rewrite <- (sqrt_sqrt (rsum d (fun j => basis k j ^ 2))) by apply norm_square_nonneg. rewrite E. ring. }
    rewrite Hs, Rmult_1_r. rewrite <- Rsqr_pow2. apply sqrt_Rsqr_abs. }
  destruct H as [H|H]; rewrite (norm_ext d _ _ H), G. apply Rabs_right; lra. rewrite Rabs_Ropp. apply Rabs_right; lra.
Qed.
Lemma along_image i k v y : (i < N)%nat -> (k < d)%nat -> along k v y -> A i k k <> 0 -> along k (mulv d (A i) v) (Rabs (A i k k) * y).
Proof.
  intros Hi Hk [Hy H] Hnz. split. apply Rmult_lt_0_compat; auto. now apply Rabs_pos_lt.
  assert (G : forall c, vec_eq d v (fun j => c * basis k j) -> vec_eq d (mulv d (A i) v) (fun j => c * A i k k * basis k j)).
  { intros c Hc j Hj. rewrite (mulv_ext d (A i) (A i) v (fun j => c * basis k j)); auto. now apply basis_image. intros ? ? _ _; reflexivity. }
  unfold Rabs. destruct (Rcase_abs (A i k k)); destruct H as [H|H]; apply G in H; [right | left | left | right]; intros j Hj; rewrite H by auto; ring.
Qed.

Theorem diagonal_lower k : (k < d)%nat -> (forall i, (i < N)%nat -> A i k k <> 0) ->
  (E N p (fun i => ln (Rabs (A i k k))) <= lyapunov d N p A)%ext.
Proof.
  intros Hk Hnz. apply (sandwich_lower d N p A Hp Hd (along k) 1 (E N p (fun i => ln (Rabs (A i k k))))) with (v0 := basis k) (y0 := 1).
  - intros v y H. rewrite (along_norm k v y Hk H). destruct H. lra.
  - intros v y H. exists (fun i => Rabs (A i k k) * y). split.
    + intros i Hi. now apply along_image; [| | | apply Hnz].
    + destruct H as [Hy _]. right. rewrite <- (E_const N p Hp (ln y)), <- E_plus. apply E_ext. intros i Hi. rewrite ln_mult; auto. now apply Rabs_pos_lt, Hnz.
  - split; [lra | left; intros j _; ring].
Qed.

(* An entry that vanishes makes its coordinate irrelevant: its logarithm is -infinity. *)
Theorem diagonal_upper r : (forall k, (k < d)%nat -> (exists i, (i < N)%nat /\ A i k k = 0) \/
    ((forall i, (i < N)%nat -> A i k k <> 0) /\ E N p (fun i => ln (Rabs (A i k k))) <= r)) ->
  (lyapunov d N p A <= r)%ext.
Proof.
  intros Hr. set (top := rsum N (fun i => rsum d (fun k => Rabs (A i k k))) + 1).
  assert (Htop : forall i k, (i < N)%nat -> (k < d)%nat -> Rabs (A i k k) <= top).
  { intros i k Hi Hk. unfold top. assert (Rabs (A i k k) <= rsum N (fun i => rsum d (fun k => Rabs (A i k k)))); [|lra].
    eapply Rle_trans; [| apply (rsum_term_le N (fun i => rsum d (fun k => Rabs (A i k k))) i Hi); intros; apply rsum_nonneg; intros; apply Rabs_pos].
    apply (rsum_term_le d (fun k => Rabs (A i k k)) k Hk). intros; apply Rabs_pos. }
  assert (Htop1 : 1 <= top). { unfold top. assert (0 <= rsum N (fun i => rsum d (fun k => Rabs (A i k k)))); [|lra]. apply rsum_nonneg; intros; apply rsum_nonneg; intros; apply Rabs_pos. }
  destruct (common_positive_bound N p (proj1 Hp)) as [p0 [Hp0 Hpi]].
  (* del below all entries that are not 0, and so small that a 0 outweighs everything *)
  assert (Hmin : exists low, 0 < low /\ forall i k, (i < N)%nat -> (k < d)%nat -> A i k k <> 0 -> low <= Rabs (A i k k)).
  { destruct (common_positive_bound (N * d) (fun j => if Req_EM_T (A (j / d)%nat (j mod d)%nat (j mod d)%nat) 0 then 1 else Rabs (A (j / d)%nat (j mod d)%nat (j mod d)%nat))) as [low [Hlow H]].
    - intros j _. destruct (Req_EM_T _ 0); [lra | now apply Rabs_pos_lt].
    - exists low. split; auto. intros i k Hi Hk Hnz. specialize (H (i * d + k)%nat ltac:(nia)).
      replace ((i * d + k) / d)%nat with i in H by (rewrite Nat.div_add_l, (Nat.div_small k d) by lia; lia).
      replace ((i * d + k) mod d)%nat with k in H by (rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small by lia; lia).
      destruct (Req_EM_T (A i k k) 0); [contradiction | auto]. }
  destruct Hmin as [low [Hlow Hmin]].
  set (del := Rmin low (exp (- ((Rabs r + ln top) / p0)))).
  assert (Hln : 0 <= ln top) by (rewrite <- ln_1; apply ln_le_ln; lra).
  assert (Hdel : 0 < del) by (apply Rmin_pos; [auto | apply exp_pos]).
  assert (Hdel1 : ln del <= - ((Rabs r + ln top) / p0)). { rewrite <- (ln_exp (- _)). apply ln_le_ln; auto. apply Rmin_r. }
  apply (sandwich_upper d N p A Hp Hd (fun v y => exists k, (k < d)%nat /\ along k v y) 1 del top r) with (k := d) (vs := basis) (ys := fun _ => 1) (K := 1); auto; try lra.
  - intros v y [k [Hk H]]. rewrite (along_norm k v y Hk H). destruct H; lra.
  - intros v y [k [Hk H]]. exists (fun i => Rabs (A i k k) * y). pose proof (along_norm k v y Hk H) as Hnorm. destruct H as [Hy H]. split.
    + intros i Hi. split. 2: apply Rmult_le_compat_r; [lra | now apply Htop].
      destruct (Req_EM_T (A i k k) 0) as [Hz|Hnz].
      * left. assert (E0 : vec_eq d (mulv d (A i) v) (fun _ => 0)).
        { destruct H as [H|H]; intros j Hj; rewrite (mulv_ext d (A i) (A i) v _ ltac:(intros ? ? _ _; reflexivity) H), basis_image by auto; rewrite Hz; ring. }
        rewrite (norm_ext d _ _ E0). unfold norm. rewrite (rsum_ext d _ (fun _ => 0)) by (intros; ring). rewrite rsum_zero. apply sqrt_0.
      * right. exists k. split; auto. apply along_image; auto. now split.
    + destruct (Hr k Hk) as [[i [Hi Hz]]|[Hnz Hle]].
      * apply Rle_trans with (E N p (fun j => ln top + (if Nat.eqb i j then 1 else 0) * (ln del - ln top))).
        -- apply (E_le N p Hp). intros j Hj. replace (Rabs (A j k k) * y / y) with (Rabs (A j k k)) by (field; lra). destruct (Nat.eqb_spec i j).
           ++ subst j. rewrite Hz, Rabs_R0, Rmax_right by lra. lra.
           ++ rewrite Rmult_0_l, Rplus_0_r. apply ln_le_ln. eapply Rlt_le_trans; [exact Hdel | apply Rmax_r]. apply Rmax_lub. now apply Htop.
              apply Rle_trans with 1; auto. unfold del. eapply Rle_trans; [apply Rmin_r|]. rewrite <- exp_0. apply exp_le_exp.
              assert (0 <= (Rabs r + ln top) / p0); [|lra]. apply Rmult_le_pos. pose proof (Rabs_pos r); lra. left; now apply Rinv_0_lt_compat.
        -- rewrite E_plus, (E_const N p Hp). unfold E. rewrite (rsum_ext N _ (fun j => (if Nat.eqb i j then 1 else 0) * (p j * (ln del - ln top)))) by (intros; ring).
           rewrite rsum_delta by auto. pose proof (Hpi i Hi). assert (Hneg : ln del - ln top <= - ((Rabs r + ln top) / p0)) by lra.
           assert (Hq : 0 <= (Rabs r + ln top) / p0). { apply Rmult_le_pos. pose proof (Rabs_pos r); lra. left; now apply Rinv_0_lt_compat. }
           assert (p i * (ln del - ln top) <= p i * - ((Rabs r + ln top) / p0)) by (apply Rmult_le_compat_l; lra).
           assert (p0 * ((Rabs r + ln top) / p0) <= p i * ((Rabs r + ln top) / p0)) by (now apply Rmult_le_compat_r).
           assert (p0 * ((Rabs r + ln top) / p0) = Rabs r + ln top) by (field; lra). pose proof (Rle_abs (- r)). rewrite Rabs_Ropp in *. lra.
      * eapply Rle_trans; [| exact Hle]. right. apply E_ext. intros i Hi. replace (Rabs (A i k k) * y / y) with (Rabs (A i k k)) by (field; lra).
        f_equal. apply Rmax_left. eapply Rle_trans; [apply Rmin_l|]. now apply Hmin; [| | apply Hnz].
  - intros j Hj. exists j. split; auto. split; [lra | left; intros i _; ring].
  - apply frobenius_le_basis.
Qed.
End Diagonal.

(* ---------- by computation ---------- *)
Definition diagonal_family (m : model) : bool :=
  forallb (fun b => forallb (fun j => forallb (fun k => (j =? k)%nat || (entry (rows b) j k =? 0)%Z) (seq 0 (dim m))) (seq 0 (dim m))) (branches m).
Definition diagonal_entries (m : model) (k : nat) : list Z := map (fun b => Z.abs (entry (rows b) k k)) (branches m).
Definition coordinate_product (m : model) (k : nat) : Z := weighted_product (branches m) (diagonal_entries m k).
Definition all_nonzero (l : list Z) : bool := forallb (fun x => (0 <? x)%Z) l.
(* Every coordinate has an exponent of at most (ln x - ln y) / P, or a 0. *)
Definition coordinates_below (m : model) (x y : Z) : bool :=
  (0 <? x)%Z && (0 <? y)%Z &&
  forallb (fun k => negb (all_nonzero (diagonal_entries m k)) || (coordinate_product m k * y <=? x * denominator_product m)%Z) (seq 0 (dim m)).

Section Model.
Variable m : model.
Hypothesis Hwf : well_formed m = true.
Hypothesis Hdiag : diagonal_family m = true.

Lemma model_diagonal i j k : (i < count m)%nat -> (j < dim m)%nat -> (k < dim m)%nat -> j <> k -> step m i j k = 0.
Proof.
  intros Hi Hj Hk Hne. unfold diagonal_family in Hdiag. rewrite forallb_forall in Hdiag. specialize (Hdiag _ (branch_in m i Hi)).
  rewrite forallb_forall in Hdiag. specialize (Hdiag j ltac:(apply in_seq; lia)). rewrite forallb_forall in Hdiag. specialize (Hdiag k ltac:(apply in_seq; lia)).
  apply orb_true_iff in Hdiag. destruct Hdiag as [H|H]. apply Nat.eqb_eq in H. contradiction.
  apply Z.eqb_eq in H. unfold step. rewrite H. unfold Rdiv. ring.
Qed.
Lemma entry_abs i k : (i < count m)%nat -> nth i (diagonal_entries m k) 0%Z = Z.abs (entry (rows (nth i (branches m) no_branch)) k k).
Proof. intros Hi. unfold diagonal_entries. now rewrite (nth_map _ _ _ no_branch). Qed.
Lemma coordinate_mean k : all_nonzero (diagonal_entries m k) = true ->
  (forall i, (i < count m)%nat -> step m i k k <> 0) /\
  E (count m) (prob m) (fun i => ln (Rabs (step m i k k))) = log_bound (coordinate_product m k) (denominator_product m) (total_weight m).
Proof.
  intros H. unfold all_nonzero in H. rewrite forallb_forall in H.
  assert (Hz : forall i, (i < count m)%nat -> 0 < IZR (Z.abs (entry (rows (nth i (branches m) no_branch)) k k))).
  { intros i Hi. rewrite <- entry_abs by auto. apply IZR_lt, Z.ltb_lt, H, nth_In. unfold diagonal_entries. now rewrite map_length. }
  assert (Hq : forall i, (i < count m)%nat -> 0 < IZR (denominator (nth i (branches m) no_branch))).
  { intros i Hi. apply IZR_lt, (branch_facts m Hwf), branch_in; auto. }
  assert (Habs : forall i, (i < count m)%nat -> Rabs (step m i k k) = IZR (Z.abs (entry (rows (nth i (branches m) no_branch)) k k)) / IZR (denominator (nth i (branches m) no_branch))).
  { intros i Hi. unfold step, Rdiv. rewrite Rabs_mult, <- abs_IZR. f_equal. apply Rabs_right. apply Rle_ge. left. now apply Rinv_0_lt_compat, Hq. }
  split.
  - intros i Hi E0. pose proof (Habs i Hi) as G. rewrite E0, Rabs_R0 in G. pose proof (Rdiv_lt_0_compat _ _ (Hz i Hi) (Hq i Hi)). lra.
  - pose proof (total_weight_pos m Hwf) as HP. apply IZR_lt in HP.
    unfold log_bound, coordinate_product. rewrite (ln_denominator_product m Hwf), ln_weighted_product.
    2: unfold diagonal_entries; now rewrite map_length. 2: intros; apply (branch_facts m Hwf); auto. 2: intros; apply Z.ltb_lt; auto.
    fold (count m). unfold Rdiv, Rminus. rewrite Rmult_plus_distr_r, Ropp_mult_distr_l_reverse, <- !rsum_scal_r.
    replace (- rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch))) * / IZR (total_weight m)))
      with (rsum (count m) (fun i => (-1) * (IZR (weight (nth i (branches m) no_branch)) * ln (IZR (denominator (nth i (branches m) no_branch))) * / IZR (total_weight m)))) by (rewrite rsum_scal; ring).
    rewrite <- rsum_plus. unfold E. apply rsum_ext. intros i Hi. rewrite entry_abs, Habs by auto.
    unfold Rdiv. rewrite ln_mult, ln_Rinv by (auto; now apply Rinv_0_lt_compat, Hq). unfold prob, Rdiv. ring.
Qed.

Theorem diagonal_lower_bound k : (k < dim m)%nat -> all_nonzero (diagonal_entries m k) = true ->
  (log_bound (coordinate_product m k) (denominator_product m) (total_weight m) <= model_exponent m)%ext.
Proof.
  intros Hk H. destruct (coordinate_mean k H) as [Hnz <-].
  exact (diagonal_lower (dim m) (count m) (prob m) (step m) (model_probability m Hwf) (dim_pos m Hwf) model_diagonal k Hk Hnz).
Qed.

Theorem diagonal_upper_bound x y : coordinates_below m x y = true -> (model_exponent m <= log_bound x y (total_weight m))%ext.
Proof.
  unfold coordinates_below. rewrite !andb_true_iff. intros [[Hx Hy] H]. apply Z.ltb_lt in Hx, Hy. rewrite forallb_forall in H.
  apply (diagonal_upper (dim m) (count m) (prob m) (step m) (model_probability m Hwf) (dim_pos m Hwf) model_diagonal). intros k Hk.
  specialize (H k ltac:(apply in_seq; lia)). apply orb_true_iff in H. destruct (all_nonzero (diagonal_entries m k)) eqn:Ez.
  - right. destruct (coordinate_mean k Ez) as [Hnz ->]. split; auto. destruct H as [H|H]; [discriminate|].
    apply Z.leb_le, IZR_le in H. rewrite !mult_IZR in H.
    assert (Hc : (0 < coordinate_product m k)%Z).
    { apply weighted_product_pos. intros; apply (branch_facts m Hwf); auto. unfold all_nonzero in Ez. rewrite forallb_forall in Ez. intros; apply Z.ltb_lt; auto. }
    pose proof (denominator_product_pos m Hwf) as Hd. pose proof (total_weight_pos m Hwf) as HP. apply IZR_lt in Hc, Hd, HP, Hx, Hy.
    apply ln_le_ln in H; [| now apply Rmult_lt_0_compat]. rewrite !ln_mult in H by auto.
    unfold log_bound, Rdiv. apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | lra].
  - left. unfold all_nonzero in Ez.
    assert (G : exists z, In z (diagonal_entries m k) /\ (0 <? z)%Z = false).
    { clear - Ez. induction (diagonal_entries m k) as [|z l IH]; simpl in Ez; [discriminate|]. destruct (0 <? z)%Z eqn:Ew.
      - destruct (IH Ez) as [w [H1 H2]]. exists w. split; auto. now right.
      - exists z. split; auto. now left. }
    destruct G as [z [Hin Hz]]. apply in_map_iff in Hin. destruct Hin as [b [<- Hb]]. apply Z.ltb_ge in Hz.
    destruct (In_nth _ _ no_branch Hb) as [i [Hi E]]. exists i. split; [exact Hi|]. unfold step. rewrite E.
    replace (entry (rows b) k k) with 0%Z by lia. unfold Rdiv. ring.
Qed.
End Model.

